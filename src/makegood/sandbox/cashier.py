"""What a buyer can do about a trade: look at it, which scans its code, and pay or decline."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

from . import trades
from .store import Store, Transaction
from .trades import State, Trade

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
