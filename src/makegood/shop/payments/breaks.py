"""The list of breaks: what a platform and we hold differently, each listed once, for a person to settle."""

from collections.abc import Iterable

from makegood.engine.database.transaction import Reader, Transaction
from makegood.shop.payments.contracts import BreakKind
from makegood.shop.payments.tables import BREAKS, BreakRow


class Breaks:
    """The breaks that one transaction finds."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._found: dict[str, BreakRow] = {}
        self._settled: dict[str, None] = {}

    def add(
        self,
        kind: BreakKind,
        channel: str,
        number: str,
        *,
        amount: int,
        detail: str,
        trade_no: str = "",
        subject: str = "",
    ) -> None:
        """Lists a break; the same kind, channel, amount (fen) and `subject` (the trade if not given) is the same."""
        key = break_key(kind, channel, subject or trade_no or number, amount)
        self._found.setdefault(
            key, BreakRow(self._tx.new_id(), key, kind, channel, number, trade_no, amount, self._tx.now, detail)
        )

    def settle(self, keys: Iterable[str]) -> None:
        """Takes breaks off the list that have come right by themselves."""
        self._settled.update(dict.fromkeys(keys))

    def store(self) -> None:
        """Writes those that are not listed yet, and removes those that are settled."""
        if self._settled:
            rows = self._tx.select_by(BREAKS, "break_key", self._settled)
            self._tx.delete(BREAKS, self._tx.lock(BREAKS, [row.break_id for row in rows]))
        if self._found:
            known = listed(self._tx, self._found)
            self._tx.insert(BREAKS, [row for key, row in self._found.items() if key not in known])


def break_key(kind: BreakKind, channel: str, subject: str, amount: int) -> str:
    """What makes a break the same: `subject` is the refund or the trade it is about, `amount` in fen."""
    return f"{kind}:{channel}:{subject}:{amount}"


def listed(reader: Reader, keys: Iterable[str]) -> frozenset[str]:
    """Which of these breaks are on the list."""
    return frozenset(row.break_key for row in reader.select_by(BREAKS, "break_key", keys))
