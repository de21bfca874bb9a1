"""What a buyer can do about a trade: look at it, which scans its code; pay, decline, pay too late, pay twice."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from . import notifications, trades
from .store import Store, Transaction
from .trades import State, Trade

Sequel = Callable[[Transaction, Trade], None]
"""What a platform does, beside notifying, when a trade of its was paid, or declined."""
NO_SEQUELS: Final[Mapping[str, Sequel]] = {}

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


class _Sequels(NamedTuple):
    paid: Mapping[str, Sequel]
    declined: Mapping[str, Sequel]


class Cashier:
    """Answers buyers."""

    def __init__(
        self,
        store: Store,
        wake_notifier: Callable[[], None],
        sequels: Mapping[str, Sequel] = NO_SEQUELS,
        declines: Mapping[str, Sequel] = NO_SEQUELS,
    ) -> None:
        self._store = store
        self._wake_notifier = wake_notifier
        self._sequels = _Sequels(sequels, declines)

    async def look(self, code: str) -> View:
        """The page is opened, which scans the code."""
        view = await self._store.read(lambda tx: _seen(tx, code))
        return await self._store.write(lambda tx: _scan(tx, code)) if view.state is State.CODE else view

    async def act(self, code: str, action: str) -> View:
        """A button is pressed: `pay`, `decline`, `pay_late` or `pay_twice`."""
        act = _ACTIONS.get(action)
        if act is None:
            return View(HTTPStatus.UNPROCESSABLE_ENTITY, _NO_ACTION, None, None)
        view = await self._store.write(lambda tx: act(tx, code, self._sequels))
        self._wake_notifier()
        return view


def _seen(tx: Transaction, code: str) -> View:
    trade = trades.by_code(tx, code)
    return _shown(tx, trade) if trade else _UNKNOWN


def _scan(tx: Transaction, code: str) -> View:
    trade = trades.by_code(tx, code)
    return _shown(tx, trades.scan(tx, trade)) if trade else _UNKNOWN


def _pay(tx: Transaction, code: str, sequels: _Sequels) -> View:
    """A trade that waits is paid."""
    trade = _waiting(tx, code)
    return trade if isinstance(trade, View) else _paid(tx, trade, sequels, "Paid. The shop is being told.")


def _decline(tx: Transaction, code: str, sequels: _Sequels) -> View:
    """It is written down, a hundred times at most, and the platform tells the shop, where it does."""
    trade = _waiting(tx, code)
    if isinstance(trade, View):
        return trade
    if not notifications.decline(tx, trade):
        return _shown(tx, trade)._replace(status=HTTPStatus.CONFLICT, message=_TOO_OFTEN)
    if sequel := sequels.declined.get(trade.platform):
        sequel(tx, trade)
    return _shown(tx, trade)._replace(message="Declined. Nothing was taken; you can still pay.")


def _pay_late(tx: Transaction, code: str, sequels: _Sequels) -> View:
    """A payment that was on its way when its trade ended arrives all the same."""
    trade = trades.by_code(tx, code)
    if trade is None:
        return _UNKNOWN
    if trade.state(tx.now) not in (State.CLOSED, State.DEAD):
        return _shown(tx, trade)._replace(status=HTTPStatus.CONFLICT)
    return _paid(tx, trade, sequels, "Paid, too late. The shop is being told.")


def _pay_twice(tx: Transaction, code: str, _: _Sequels) -> View:
    trade = trades.by_code(tx, code)
    if trade is None:
        return _UNKNOWN
    if trade.platform not in TWICE or trade.state(tx.now) is not State.PAID or not trades.pay_twice(tx, trade):
        return _shown(tx, trade)._replace(status=HTTPStatus.CONFLICT)
    return _shown(tx, trade)._replace(message="Paid once more. The shop is being told.")


def _waiting(tx: Transaction, code: str) -> Trade | View:
    """The trade, scanned, if it waits for its buyer; else what they are shown."""
    trade = trades.by_code(tx, code)
    if trade is None:
        return _UNKNOWN
    scanned = trades.scan(tx, trade)
    if scanned.state(tx.now) is not State.WAITING:
        return _shown(tx, scanned)._replace(status=HTTPStatus.CONFLICT)
    return scanned


def _paid(tx: Transaction, trade: Trade, sequels: _Sequels, message: str) -> View:
    paid = trades.pay(tx, trade)
    if sequel := sequels.paid.get(trade.platform):
        sequel(tx, paid)
    return _shown(tx, paid)._replace(message=message)


def _shown(tx: Transaction, trade: Trade) -> View:
    state = trade.state(tx.now)
    return View(HTTPStatus.OK, _SAYS[state], trade, state)


_ACTIONS: Final = {"pay": _pay, "decline": _decline, "pay_late": _pay_late, "pay_twice": _pay_twice}
_NO_ACTION: Final = "Send the field action=pay, decline, pay_late or pay_twice."
TWICE: Final = (trades.ALIPAY, trades.WECHATPAY)
_TOO_OFTEN: Final = "This trade was declined 100 times: pay it, or make another."
_UNKNOWN: Final = View(HTTPStatus.NOT_FOUND, "There is no such trade: check the address.", None, None)
