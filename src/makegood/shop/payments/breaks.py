"""The list of breaks: what a platform and we hold differently, each listed once, for a person to settle."""

from makegood.engine.database.transaction import Transaction
from makegood.shop.payments.contracts import BreakKind
from makegood.shop.payments.tables import BREAKS, BreakRow


class Breaks:
    """The breaks that one transaction finds."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._found: dict[str, BreakRow] = {}

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
        key = f"{kind}:{channel}:{subject or trade_no or number}:{amount}"
        self._found.setdefault(
            key, BreakRow(self._tx.new_id(), key, kind, channel, number, trade_no, amount, self._tx.now, detail)
        )

    def store(self) -> None:
        """Writes those that are not listed yet."""
        if self._found:
            listed = {row.break_key for row in self._tx.select_by(BREAKS, "break_key", self._found)}
            self._tx.insert(BREAKS, [row for key, row in self._found.items() if key not in listed])
