"""The routes of the sandbox's server."""

import logging
from http import HTTPStatus
from typing import Any, Final

from litestar import Litestar, Request, Response, get, route
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from . import cashier, control
from .alipay.envelope import read
from .alipay.gateway import Gateway
from .alipay.merchant import GATEWAY_PATH
from .cashier import Cashier
from .control import Control
from .store import StoreBusyError

MAX_REQUEST_BYTES: Final = 256 * 1024
_JSON: Final = "application/json; charset=utf-8"

log = logging.getLogger(__name__)


def build_app(gateway: Gateway, cashier_page: Cashier, controls: Control) -> Litestar:
    """Everything the sandbox answers."""
    return Litestar(
        route_handlers=[
            _healthz,
            _alipay(gateway),
            *cashier.routes(cashier_page),
            *control.routes(controls),
        ],
        exception_handlers={StoreBusyError: _busy, TimeoutError: _busy},
        after_exception=[_log],
        openapi_config=None,
        logging_config=None,
    )


def _alipay(gateway: Gateway) -> HTTPRouteHandler:
    @route(GATEWAY_PATH, http_method=["GET", "POST"], status_code=200, request_max_body_size=MAX_REQUEST_BYTES)
    async def respond(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            parameters = read(request.scope["query_string"], await request.body())
        except HTTPException:  # a body that is too long, or not of its stated length
            parameters = None
        answer = await (gateway.refuse("isv.invalid-parameter") if parameters is None else gateway.respond(parameters))
        return Response(answer, media_type=_JSON)

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
        {"message": str(error) or "The sandbox is busy: ask what became of it, then try again."},
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": "1"},
    )
