"""Changes that people ask for, one order each: lock it, try the move, answer with the order as it is then."""

from collections.abc import Callable, Sequence

from makegood.engine.database.transaction import Transaction
from makegood.shop.orders.contracts import Changed, ChangeOrder
from makegood.shop.orders.tables import ORDERS, OrderRow, lines_of
from makegood.shop.orders.view import seen

Move = Callable[[Transaction, OrderRow], str]
"""Changes the locked row, or answers with the code of a refusal."""


def change(tx: Transaction, requests: Sequence[ChangeOrder], move: Move) -> list[Changed]:
    """Tries the move on each order in turn. Refusals: not_found (also for the order of another user), the move's."""
    rows = tx.lock(ORDERS, [request.order_id for request in requests])
    lines = lines_of(tx, rows)
    written: dict[int, OrderRow] = {}
    answers: list[Changed] = []
    for request in requests:
        row = rows.get(request.order_id)
        if row is None or request.user not in (None, row.user):
            answers.append(Changed("not_found"))
            continue
        before = row.changes
        refusal = move(tx, row)
        if row.changes != before:
            written[row.order_id] = row
        answers.append(Changed(refusal, order=seen(row, lines[row.order_id])))
    tx.update(ORDERS, written.values())
    return answers
