"""Figures for Prometheus: what the process uses, and the notifications that are to be sent now."""

from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

from . import notifications
from .control import loopback_name, own_origin
from .store import Store

CONTENT_TYPE: Final = "text/plain; version=0.0.4"


def route(store: Store) -> HTTPRouteHandler:
    """GET /metrics."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    due = Gauge("makegood_sandbox_notifications_due", "Notifications whose time has come", registry=registry)

    @get("/metrics", media_type=CONTENT_TYPE, guards=[loopback_name, own_origin])
    async def metrics() -> Response[bytes]:
        due.set(await store.read(notifications.count_due))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE)

    return metrics
