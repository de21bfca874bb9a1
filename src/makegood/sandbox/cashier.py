"""The page on which a buyer pays or declines; scripts may post to it as its buttons do."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from . import trades
from .clock import rfc3339
from .store import Store, Transaction
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
_SAYS: Final = {
    State.CODE: "Waiting for payment",
    State.WAITING: "Waiting for payment",
    State.PAID: "This trade is paid.",
    State.CLOSED: "This trade is closed and can no longer be paid.",
    State.DEAD: "This code has ended and can no longer be paid.",
}


class View(NamedTuple):
    """What the buyer is shown."""

    status: HTTPStatus
    message: str
    trade: Trade | None
    state: State | None


class Cashier:
    """Answers buyers."""

    def __init__(self, store: Store, wake_notifier: Callable[[], None]) -> None:
        self._store = store
        self._wake_notifier = wake_notifier

    async def look(self, code: str) -> View:
        """The page is opened, which scans the code."""
        view = await self._store.read(lambda tx: _seen(tx, code))
        return await self._store.write(lambda tx: _scan(tx, code)) if view.state is State.CODE else view

    async def act(self, code: str, action: str) -> View:
        """A button is pressed: `pay` or `decline`."""
        if action not in _ACTIONS:
            return View(HTTPStatus.UNPROCESSABLE_ENTITY, "Send the field action=pay or action=decline.", None, None)
        view = await self._store.write(lambda tx: _act(tx, code, action))
        self._wake_notifier()
        return view


def routes(cashier: Cashier) -> list[HTTPRouteHandler]:
    """GET and POST of the cashier's page."""

    @get(CASHIER_PATH + "{code:str}", cache=False)
    async def look(request: Request[Any, Any, Any], code: str) -> Response[Any]:
        return _response(request, await cashier.look(code))

    @post(CASHIER_PATH + "{code:str}", status_code=200, request_max_body_size=MAX_FORM_BYTES)
    async def act(request: Request[Any, Any, Any], code: str) -> Response[Any]:
        return _response(request, await cashier.act(code, action_of(await request.body())))

    return [look, act]


def action_of(form: bytes) -> str:
    """The field `action` of a form; empty when there is none."""
    try:
        return parse_qs(form.decode(), max_num_fields=MAX_FIELDS).get("action", [""])[0]
    except ValueError:
        return ""


def _seen(tx: Transaction, code: str) -> View:
    trade = trades.by_code(tx, code)
    return _shown(tx, trade) if trade else _UNKNOWN


def _scan(tx: Transaction, code: str) -> View:
    trade = trades.by_code(tx, code)
    return _shown(tx, trades.scan(tx, trade)) if trade else _UNKNOWN


def _act(tx: Transaction, code: str, action: str) -> View:
    trade = trades.by_code(tx, code)
    if trade is None:
        return _UNKNOWN
    scanned = trades.scan(tx, trade)
    if scanned.state(tx.now) is not State.WAITING:
        return _shown(tx, scanned)._replace(status=HTTPStatus.CONFLICT)
    return _ACTIONS[action](tx, scanned)


def _pay(tx: Transaction, trade: Trade) -> View:
    return _shown(tx, trades.pay(tx, trade))._replace(message="Paid. The shop is being told.")


def _decline(tx: Transaction, trade: Trade) -> View:
    return _shown(tx, trade)._replace(message="Declined. Nothing was taken; you can still pay.")


def _shown(tx: Transaction, trade: Trade) -> View:
    state = trade.state(tx.now)
    return View(HTTPStatus.OK, _SAYS[state], trade, state)


_ACTIONS: Final = {"pay": _pay, "decline": _decline}
_UNKNOWN: Final = View(HTTPStatus.NOT_FOUND, "There is no such trade: check the address.", None, None)
_PAGE: Final = Environment(
    loader=PackageLoader("makegood.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
).get_template("cashier.html")


def _response(request: Request[Any, Any, Any], view: View) -> Response[Any]:
    if "application/json" in request.headers.get("accept", ""):
        return Response(as_json(view), status_code=view.status, headers=HEADERS)
    page = _PAGE.render(
        view=view,
        trade=view.trade,
        payable=view.state is State.WAITING,
        amount=view.trade and f"{view.trade.amount // 100:,}.{view.trade.amount % 100:02d}",
        expires=view.trade and rfc3339(view.trade.expires_at),
    )
    return Response(page, status_code=view.status, media_type=MediaType.HTML, headers=HEADERS)


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
