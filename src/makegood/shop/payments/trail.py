"""How we learnt of an order's payments, for people who look into it."""

from collections.abc import Iterable, Sequence

from makegood.engine.database.transaction import Reader
from makegood.shop.payments import contracts
from makegood.shop.payments.opening import payments_of
from makegood.shop.payments.tables import (
    BREAKS,
    NOTIFICATIONS,
    REFUSALS,
    BreakRow,
    NotificationRow,
    PaymentRow,
    RefusalRow,
)
from makegood.shop.payments.views import break_view, refusal_view

LOOKED_AT = 1_000
"""Most refused callbacks looked through, the latest first: who they claim to be about stands in their bodies alone."""
SHOWN = 20
"""Most of them shown for an order, and most breaks."""


def trails(reader: Reader, requests: Sequence[contracts.TrailOfOrder]) -> list[contracts.Trail]:
    """The trail of each order; empty for one that has no payment."""
    held = payments_of(reader, [request.order_id for request in requests])
    notifications = _notifications(reader, [row for rows in held.values() for row in rows])
    breaks = reader.select_by(BREAKS, "number", notifications)
    refused = reader.page(REFUSALS, descending=True, limit=LOOKED_AT) if notifications else []
    return [_trail(held.get(request.order_id, []), notifications, refused, breaks) for request in requests]


def _trail(
    rows: Sequence[PaymentRow],
    notifications: dict[str, list[NotificationRow]],
    refused: Sequence[RefusalRow],
    breaks: Sequence[BreakRow],
) -> contracts.Trail:
    channels = {str(row.payment_id): row.channel for row in rows}
    naming = [one for one in refused if any(number.encode() in one.body for number in channels)]
    differing = [one for one in breaks if channels.get(one.number) == one.channel]
    return contracts.Trail(
        tuple(_payment(row, notifications[str(row.payment_id)]) for row in rows),
        tuple(refusal_view(one) for one in naming[:SHOWN]),
        tuple(break_view(one) for one in sorted(differing, key=lambda one: one.break_id)[:SHOWN]),
    )


def _notifications(reader: Reader, rows: Iterable[PaymentRow]) -> dict[str, list[NotificationRow]]:
    channels = {str(row.payment_id): row.channel for row in rows}
    found: dict[str, list[NotificationRow]] = {number: [] for number in channels}
    for row in reader.select_by(NOTIFICATIONS, "number", channels):
        if row.channel == channels[row.number]:
            found[row.number].append(row)
    return found


def _payment(row: PaymentRow, notifications: Sequence[NotificationRow]) -> contracts.PaymentTrail:
    return contracts.PaymentTrail(
        payment_id=row.payment_id,
        told_by=row.told_by,
        changed_at=row.changed_at,
        expires_at=row.expires_at,
        asked=row.asked,
        ask_at=row.due_at,
        notifications=tuple(_notification(one) for one in sorted(notifications, key=lambda one: one.at)),
    )


def _notification(row: NotificationRow) -> contracts.Notification:
    return contracts.Notification(
        channel=row.channel,
        notify_id=row.notify_id,
        trade_no=row.trade_no,
        kind=row.kind,
        amount=row.amount,
        occurred_at=row.occurred_at,
        at=row.at,
        effect=row.effect,
        repeats=row.repeats,
        repeated_at=row.repeated_at,
    )
