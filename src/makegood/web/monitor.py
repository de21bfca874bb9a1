"""The HTTP surface of a process that serves no buyers: alive, ready, figures."""

from typing import Any

from makegood.engine.rpc.figures import RpcFigures
from makegood.unread import DiscardsUnread
from makegood.web import health
from makegood.web.app import framework
from makegood.web.asgi import Receive, Scope, Send
from makegood.web.metrics import Metrics
from makegood.web.port import Shop


class Monitor:
    """The ASGI application; `drain` is called before the server stops."""

    def __init__(self, shop: Shop, rpc: RpcFigures | None = None) -> None:
        self._stopping = False
        routes = health.routes(shop, Metrics(shop, rpc), lambda: self._stopping)
        app: Any = framework(routes)
        self._whole = DiscardsUnread(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await self._whole(scope, receive, send)

    def drain(self) -> None:
        """Says not ready from now on."""
        self._stopping = True
