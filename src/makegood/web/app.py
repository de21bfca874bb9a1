"""The web application: the hot routes by themselves, everything else by the framework, all of it measured."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler

from makegood.engine import tracing
from makegood.engine.rpc.figures import RpcFigures
from makegood.unread import DiscardsUnread
from makegood.web import bills, buying, catalogue, console, docs, events, health, ops, pages, qr, sessions
from makegood.web.access import Access
from makegood.web.asgi import NO_STORE, SECURITY, Message, Receive, Reply, Scope, Send, reply_of, send_reply
from makegood.web.attempts import SignInAttempts
from makegood.web.events import Streams
from makegood.web.failures import problem_of
from makegood.web.hot import NOTIFY, ORDERS, HotRoutes
from makegood.web.metrics import Metrics
from makegood.web.port import Shop
from makegood.web.problems import PROBLEM_JSON, Problem
from makegood.web.settings import WebSettings
from makegood.web.tokens import Tokens
from makegood.web.tracing import begin_trace

Hot = Callable[[Scope, Receive], Awaitable[Reply]]
NOTICES = NOTIFY + "{channel}"
OTHER = "other"
"""The route of requests that no route answers, in the metrics."""


def build_app(shop: Shop, settings: WebSettings, rpc: RpcFigures | None = None) -> "WebApp":
    """The shop's whole HTTP surface as an ASGI application; `rpc` for its metrics. Raises PagesTooLarge."""
    tokens = Tokens(settings.signing_key, settings.session_seconds, shop.now)
    access = Access(tokens, settings.operators_token)
    attempts = SignInAttempts(
        shop.now, settings.failures_per_user, settings.failures_per_peer, settings.failure_seconds
    )
    streams, metrics = Streams(settings), Metrics(shop, rpc)
    api = [
        *sessions.routes(shop, access, tokens, attempts),
        *catalogue.routes(shop, access),
        *buying.routes(shop, access, settings.client_ip_header.lower()),
        *events.routes(shop, access, streams),
        *ops.routes(shop, access, tokens),
        *console.routes(shop, access),
        *bills.routes(shop, access),
        *health.routes(shop, metrics, lambda: streams.ending),
        *qr.routes(),
    ]
    handlers = [*api, *docs.routes(api), *pages.routes(settings.pages)]
    return WebApp(framework(handlers), HotRoutes(shop, tokens), streams, metrics)


class WebApp:
    """The ASGI application; `drain` is called before the server stops."""

    def __init__(self, framework: Litestar, hot: HotRoutes, streams: Streams, metrics: Metrics) -> None:
        self._framework: Callable[[Any, Any, Any], Awaitable[None]] = framework
        self._hot = hot
        self._streams = streams
        self._metrics = metrics
        self._whole = DiscardsUnread(self._route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await self._whole(scope, receive, send)

    def drain(self) -> None:
        """Ends the event streams, and says not ready; other requests are still answered."""
        self._streams.end()

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._framework(scope, receive, send)
            return
        path: str = scope["path"]
        if path == ORDERS and scope["method"] != "GET":
            await self._answer(ORDERS, "GET, POST", self._hot.place, scope, receive, send)
        elif path.startswith(NOTIFY):
            await self._answer(NOTICES, "POST", self._hot.notify, scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _answer(self, route: str, allow: str, hot: Hot, scope: Scope, receive: Receive, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        trace = begin_trace(scope, route) if tracing.is_on() else None
        try:
            reply = await hot(scope, receive) if scope["method"] == "POST" else _only(allow, scope["method"])
        except Exception as error:
            reply = reply_of(problem_of(error, scope))
        self._metrics.observe(route, reply.status, clock() - began)
        if trace is not None:
            trace.answered(reply.status)
            reply = reply._replace(headers=(*reply.headers, trace.header))
        await send_reply(send, reply)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        headless = scope["method"] == "HEAD" and not scope["path"].startswith("/api/")
        trace = begin_trace(scope, OTHER) if tracing.is_on() else None

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope.get("path_template") or OTHER
                self._metrics.observe(route, message["status"], clock() - began)
                message["headers"] = _with_defaults(list(message["headers"]))
                if trace is not None:
                    trace.answered(message["status"], route)
                    message["headers"].append(trace.header)
            elif headless:
                message["body"] = b""
            await send(message)

        if headless:
            scope["method"] = "GET"
        await self._framework(scope, receive, measured)


def _only(allow: str, method: str) -> Reply:
    if method == "OPTIONS":
        return Reply(204, b"", headers=((b"allow", allow.encode()),))
    return reply_of(Problem("method_not_allowed", allow=allow))


def _with_defaults(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = {name for name, _ in headers}
    return headers + [one for one in (NO_STORE, *SECURITY) if one[0] not in given]


def framework(handlers: list[HTTPRouteHandler]) -> Litestar:
    """The framework with these routes, whose errors are problems."""
    return Litestar(
        route_handlers=handlers,
        exception_handlers={Exception: _problem},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    scope: Any = request.scope
    problem = problem_of(error, scope)
    return Response(problem.body(), status_code=problem.status, headers=problem.headers(), media_type=PROBLEM_JSON)
