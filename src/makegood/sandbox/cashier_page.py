"""The page on which a buyer pays or declines; scripts may post to it as its buttons do."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from .cashier import TWICE, Cashier, View
from .clock import rfc3339
from .money import money
from .trades import State, Trade

CASHIER_PATH: Final = "/cashier/"
MAX_FORM_BYTES: Final = 4096
MAX_FIELDS: Final = 10
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
}
_PAGE: Final = Environment(
    loader=PackageLoader("makegood.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
).get_template("cashier.html")


Back = Callable[[Trade], Awaitable[str]]
"""Where a buyer goes who has paid; nothing when the shop did not say."""


def routes(cashier: Cashier, backs: Mapping[str, Back]) -> list[HTTPRouteHandler]:
    """GET and POST of the cashier's page; `backs` by platform."""

    async def response(request: Request[Any, Any, Any], view: View) -> Response[Any]:
        if "application/json" in request.headers.get("accept", ""):
            return Response(as_json(view), status_code=view.status, headers=HEADERS)
        back = backs.get(view.trade.platform) if view.trade and view.state is State.PAID else None
        return _page(view, await back(view.trade) if back and view.trade else "")

    @get(CASHIER_PATH + "{code:str}", cache=False)
    async def look(request: Request[Any, Any, Any], code: str) -> Response[Any]:
        return await response(request, await cashier.look(code))

    @post(CASHIER_PATH + "{code:str}", status_code=200, request_max_body_size=MAX_FORM_BYTES)
    async def act(request: Request[Any, Any, Any], code: str) -> Response[Any]:
        return await response(request, await cashier.act(code, action_of(await request.body())))

    return [look, act]


def action_of(form: bytes) -> str:
    """The field `action` of a form; empty when there is none."""
    try:
        return parse_qs(form.decode(), max_num_fields=MAX_FIELDS).get("action", [""])[0]
    except ValueError:
        return ""


def as_json(view: View) -> dict[str, object]:
    """What a program is shown."""
    if view.trade is None:
        return {"message": view.message}
    return {
        "message": view.message,
        "out_trade_no": view.trade.out_trade_no,
        "subject": view.trade.subject,
        "amount": view.trade.amount,
        "state": view.state,
    }


def _page(view: View, back: str) -> Response[Any]:
    page = _PAGE.render(
        view=view,
        trade=view.trade,
        payable=view.state is State.WAITING,
        late=view.state in (State.CLOSED, State.DEAD),
        twice=view.state is State.PAID and view.trade and view.trade.platform in TWICE,
        amount=view.trade and money(view.trade, view.trade.amount),
        expires=view.trade and rfc3339(view.trade.expires_at),
        back=back,
    )
    return Response(page, status_code=view.status, media_type=MediaType.HTML, headers=HEADERS)
