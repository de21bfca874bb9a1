"""What load balancers and Prometheus ask: alive, ready, figures."""

from collections.abc import Callable

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from makegood.web.metrics import CONTENT_TYPE, Metrics
from makegood.web.port import Shop
from makegood.web.problems import Problem


def routes(shop: Shop, metrics: Metrics, stopping: Callable[[], bool]) -> list[HTTPRouteHandler]:
    """GET /healthz, /readyz, /metrics."""

    @get("/healthz", media_type="text/plain")
    async def healthz() -> str:
        """The process answers."""
        return "ok"

    @get("/readyz", media_type="text/plain")
    async def readyz() -> str:
        """Orders can be taken; 503 says why not."""
        reason = "the server is stopping" if stopping() else shop.ready()
        if reason is not None:
            raise Problem("not_ready", reason)
        return "ready"

    @get("/metrics", media_type="text/plain")
    async def figures() -> Response[bytes]:
        """Figures in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return [healthz, readyz, figures]
