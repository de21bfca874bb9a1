"""Checks our payments against the platforms' own trades, those of each channel against that channel's ledger."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader
from makegood.shop.audit_types import Check, Checked, stream
from makegood.shop.payments.audit import AuditedPayment, by_ids, listed_trades
from makegood.shop.payments.recording import payment_id
from makegood.shop.payments.tables import PAYMENTS

REMEMBERED = 80 * 86_400_000
"""Milliseconds for which a platform is held to know a trade: the sandbox forgets it after 90 days."""


class PlatformUnavailable(Exception):
    """A platform's trades cannot be read just now: look again when it answers."""


class Trade(msgspec.Struct, frozen=True):
    """A trade in a platform's ledger; `number` is the merchant's trade number (商户订单号).

    In fen: `captured` is what the buyer paid, 0 before that, and `refunded` what was given back of it.
    """

    id: str
    number: str
    captured: int
    refunded: int


class Trades(Protocol):
    """A platform's ledger of the merchant's trades, read page by page."""

    async def __call__(self, after: str | None) -> Sequence[Trade]:
        """The next trades behind the one with this id, from the first with None; no trades are the end.

        Raises PlatformUnavailable.
        """
        ...


class _Ledger(NamedTuple):
    """A channel, its ledger, and whichever of its numbers are on the list of breaks."""

    channel: str
    trades: Trades
    listed: frozenset[str]


async def trades_and_payments(database: Database, platforms: Mapping[str, Trades]) -> Checked:
    """P12: what each platform took and gave back is what we say, trade by trade, and nothing is missing there.

    `platforms` by channel. A trade on the list of breaks differs, and is known to.
    """
    check = Check("P12")
    listed = await database.survey(listed_trades)
    taken: dict[str, set[int]] = {}
    silent: list[str] = []
    for channel, trades in platforms.items():
        numbers = frozenset(number for at, number in listed if at == channel)
        try:
            taken[channel] = await _compare_all(check, database, _Ledger(channel, trades, numbers))
        except PlatformUnavailable as error:
            silent.append(channel)
            check.broken(channel, f"the platform does not answer, so its trades are not compared: {error}")
    for channel, missing in await database.survey(lambda reader: _captured_elsewhere(reader, taken)):
        if channel not in silent and (channel, str(missing)) not in listed:
            check.broken(f"{channel} {missing}", f"captured, but {_unheard(channel, platforms)}")
    return check.checked()


async def _compare_all(check: Check, database: Database, ledger: _Ledger) -> set[int]:
    """The payments that the platform has taken."""
    taken: set[int] = set()
    after: str | None = None
    while page := await ledger.trades(after):
        if page[-1].id == after:
            raise PlatformUnavailable(f"its ledger begins anew behind trade {after}: mend how it is read")
        ids = [payment_id(trade.number) for trade in page]
        known = await database.survey(lambda reader, ids=ids: by_ids(reader, ids))
        check.examined += len(page)
        for trade in page:
            if trade.number not in ledger.listed:
                _compare(check, ledger.channel, trade, known.get(payment_id(trade.number)))
        taken.update(payment_id(trade.number) for trade in page if trade.captured)
        after = page[-1].id
    return taken


def _compare(check: Check, channel: str, trade: Trade, payment: AuditedPayment | None) -> None:
    subject = f"{channel} {trade.number}"
    if payment is None or payment.channel != channel:
        check.broken(subject, "the platform has a trade that we do not know")
        return
    if trade.captured != payment.captured:
        check.broken(subject, f"the platform took {trade.captured} fen, we say {payment.captured}")
    if trade.refunded != payment.refunded:
        check.broken(subject, f"the platform gave back {trade.refunded} fen, we say {payment.refunded}")


def _captured_elsewhere(reader: Reader, taken: Mapping[str, set[int]]) -> list[tuple[str, int]]:
    """Channel and id of what we say is captured and the channel's platform has not taken."""
    since = reader.now - REMEMBERED
    rows = (row for row in stream(reader, PAYMENTS) if row.captured and row.created_at > since)
    return [(row.channel, row.payment_id) for row in rows if row.payment_id not in taken.get(row.channel, ())]


def _unheard(channel: str, platforms: Mapping[str, Trades]) -> str:
    return "the platform knows of no payment" if channel in platforms else "nobody asks this channel's platform"
