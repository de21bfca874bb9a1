"""The routes of the sandbox's server."""

import logging
from http import HTTPStatus
from typing import Annotated, Any, cast

from litestar import Litestar, Request, Response, get, route
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from litestar.types import Scope

from makegood.unread import DiscardsUnread

from . import cashier_page, control, metrics, page
from .alipay import bills
from .alipay.gateway import JSON_UTF8, Gateway
from .alipay.merchant import GATEWAY_PATH, Merchant
from .calls import MAX_REQUEST_BYTES
from .control import Control
from .days import DayTooLongError
from .hot import App, HotRoutes, busy
from .house import House
from .page import Page
from .page_views import Looks
from .store import Store, StoreBusyError

log = logging.getLogger(__name__)


def build_app(house: House) -> App:
    """Everything the sandbox answers."""
    platform = house.platform
    controls = Control(platform, house.numbers, house.references)
    looks = Looks(platform.store, platform.voices, house.cashier, house.references)
    framework = Litestar(
        route_handlers=[
            _healthz,
            metrics.route(platform.store),
            _alipay(platform.gateway),
            _alipay_bill(platform.store, platform.merchant),
            *cashier_page.routes(platform.cashier, house.backs),
            *control.routes(controls),
            *page.routes(Page(controls, looks, platform.clock.new_token())),
        ],
        exception_handlers={StoreBusyError: _busy, TimeoutError: _busy},
        after_exception=[_log],
        openapi_config=None,
        logging_config=None,
    )
    return DiscardsUnread(
        HotRoutes(cast(App, framework), platform.gateway, platform.cashier, house.doors, platform.trouble)
    )


def _alipay(gateway: Gateway) -> HTTPRouteHandler:
    @route(GATEWAY_PATH, http_method=["GET", "POST"], status_code=200, request_max_body_size=MAX_REQUEST_BYTES)
    async def respond(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            body = await request.body()
        except HTTPException:  # a body that is too long, or not of its stated length
            return Response(await gateway.refuse("isv.invalid-parameter"), media_type=JSON_UTF8)
        reply = await gateway.reply(request.scope["query_string"], body)
        headers = dict(reply.headers)
        return Response(reply.body, status_code=reply.status, media_type=reply.content_type, headers=headers)

    return respond


def _alipay_bill(store: Store, merchant: Merchant) -> HTTPRouteHandler:
    @get(bills.PATH)
    async def bill(token: Annotated[str, Parameter(max_length=128)]) -> Response[bytes]:
        try:
            found = await store.read(lambda tx: bills.download(tx, merchant, token))
        except DayTooLongError as error:
            raise ClientException(str(error)) from error
        if found is None:
            raise NotFoundException("That address is none, or was valid for thirty seconds: ask for a new one.")
        name, content = found
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/zip", headers=headers)

    return bill


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
