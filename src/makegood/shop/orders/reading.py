"""What orders tells: about an order, a user's orders, and what came of orders participants ask about."""

from collections.abc import Sequence

from makegood.engine.database.transaction import Reader
from makegood.shop.orders.contracts import (
    AskOutcomes,
    FindOrder,
    FoundOrder,
    OrdersFound,
    OrdersOfUser,
    Outcomes,
)
from makegood.shop.orders.tables import ORDERS, OrderRow
from makegood.shop.orders.view import refunding, seen_all, unpaid
from makegood.shop.types import Participant


def find(reader: Reader, requests: Sequence[FindOrder]) -> list[FoundOrder]:
    """Orders by their ids, undecided ones included; none that is another user's."""
    rows = reader.select(ORDERS, [request.order_id for request in requests])
    orders = {order.order_id: order for order in seen_all(reader, list(rows.values()))}
    answers: list[FoundOrder] = []
    for request in requests:
        order = orders.get(request.order_id)
        theirs = order is not None and request.user in (None, order.user)
        answers.append(FoundOrder(order if theirs else None))
    return answers


def of_user(reader: Reader, requests: Sequence[OrdersOfUser]) -> list[OrdersFound]:
    """Users' decided orders, the newest first."""
    return [_page(reader, request) for request in requests]


def outcomes(reader: Reader, requests: Sequence[AskOutcomes]) -> list[Outcomes]:
    """What is settled of the orders asked about; who is in neither list is asked about again."""
    return [_outcomes(reader, request) for request in requests]


def _page(reader: Reader, request: OrdersOfUser) -> OrdersFound:
    where = {"user": request.user}
    rows = reader.page(ORDERS, where=where, after=request.after, descending=True, limit=request.limit + 1)
    listed = rows[: request.limit]
    decided = [row for row in listed if row.status != "OPEN"]
    return OrdersFound(tuple(seen_all(reader, decided)), listed[-1].order_id if len(rows) > len(listed) else None)


def _outcomes(reader: Reader, request: AskOutcomes) -> Outcomes:
    rows = reader.select(ORDERS, request.order_ids).values()
    settled = [(row.order_id, _gives_back(row, request.participant)) for row in rows if not _unsettled(row)]
    return Outcomes(
        keep=tuple(order_id for order_id, gives_back in settled if not gives_back),
        give_back=tuple(order_id for order_id, gives_back in settled if gives_back),
    )


def _unsettled(row: OrderRow) -> bool:
    """An order that waits for its payment may still be cancelled."""
    return row.status == "OPEN" or unpaid(row)


def _gives_back(row: OrderRow, participant: Participant) -> bool:
    if row.payment_status in ("REFUNDING", "REFUNDED"):
        return participant in refunding(row)
    return row.status == "CANCELLED"
