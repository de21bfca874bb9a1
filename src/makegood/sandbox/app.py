"""The routes of the sandbox's server."""

import logging
from http import HTTPStatus
from typing import Any, cast

from litestar import Litestar, Request, Response, get, route
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from makegood.unread import DiscardsUnread

from . import cashier_page, control, metrics
from .alipay.gateway import Gateway
from .alipay.merchant import GATEWAY_PATH
from .control import Control
from .hot import JSON_UTF8, MAX_REQUEST_BYTES, App, HotRoutes, busy
from .platform import Platform
from .store import StoreBusyError

log = logging.getLogger(__name__)


def build_app(platform: Platform) -> App:
    """Everything the sandbox answers."""
    controls = Control(platform.store, platform.clock, platform.notifier, platform.merchant)
    framework = Litestar(
        route_handlers=[
            _healthz,
            metrics.route(platform.store),
            _alipay(platform.gateway),
            *cashier_page.routes(platform.cashier),
            *control.routes(controls),
        ],
        exception_handlers={StoreBusyError: _busy, TimeoutError: _busy},
        after_exception=[_log],
        openapi_config=None,
        logging_config=None,
    )
    return DiscardsUnread(HotRoutes(cast(App, framework), platform.gateway, platform.cashier))


def _alipay(gateway: Gateway) -> HTTPRouteHandler:
    @route(GATEWAY_PATH, http_method=["GET", "POST"], status_code=200, request_max_body_size=MAX_REQUEST_BYTES)
    async def respond(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            body = await request.body()
        except HTTPException:  # a body that is too long, or not of its stated length
            return Response(await gateway.refuse("isv.invalid-parameter"), media_type=JSON_UTF8)
        return Response(await gateway.answer(request.scope["query_string"], body), media_type=JSON_UTF8)

    return respond


@get("/healthz", media_type="text/plain")
async def _healthz() -> str:
    return "ok"


async def _log(error: Exception, _: Scope) -> None:
    """A refusal is the caller's; anything else is a fault of the sandbox, and nobody would see it otherwise."""
    if not isinstance(error, HTTPException | StoreBusyError | TimeoutError):
        log.error("A request failed.", exc_info=error)


def _busy(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    return Response(
        {"message": busy(error)},
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": "1"},
    )
