"""Checks payments' promises in one snapshot, from notifications and refunds, never from what was concluded."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from makegood.engine.database.transaction import Reader
from makegood.engine.tables import EngineTables
from makegood.shop.audit_types import Check, Checked, pages, stream
from makegood.shop.payments.breaks import break_key, listed
from makegood.shop.payments.opening import payments_of
from makegood.shop.payments.recording import REFUND_TASK, payment_id, promised, refunded, refunds_of
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import (
    BILLS,
    BREAKS,
    NOTIFICATIONS,
    PAYMENTS,
    REFUNDS,
    NotificationRow,
    PaymentRow,
    RefundRow,
)


class AuditedPayment(NamedTuple):
    """A payment as the cross-checks with other services need it: amounts in fen, the refunds that succeeded.

    `promised` is the sum of its refunds that did not fail, those under way included; `failed` that of the others,
    which are on the list of breaks.
    """

    order_id: int
    payment_id: int
    user: str
    channel: str
    state: str
    captured: int
    refunded: int
    promised: int
    failed: int
    refund_ids: tuple[int, ...]


def audit(reader: Reader, settings: PaymentsSettings) -> list[Checked]:
    """P5 as far as payments knows it, and P7."""
    return [_check_money(reader), _check_notifications(reader, settings)]


def by_order(reader: Reader, after: int | None = None) -> Iterator[AuditedPayment]:
    """Every payment, by order id behind `after`, then by payment id; memory stays flat."""
    for bills in pages(reader, BILLS, after):
        held = payments_of(reader, [bill.order_id for bill in bills])
        yield from _audited(reader, [row for rows in held.values() for row in rows])


def by_payment(reader: Reader, after: int | None = None) -> Iterator[AuditedPayment]:
    """Every payment, by payment id behind `after`; memory stays flat."""
    for rows in pages(reader, PAYMENTS, after):
        yield from _audited(reader, rows)


def by_ids(reader: Reader, payment_ids: Iterable[int]) -> dict[int, AuditedPayment]:
    """Those of these payments that exist, by payment id."""
    rows = list(reader.select(PAYMENTS, payment_ids).values())
    return {payment.payment_id: payment for payment in _audited(reader, rows)}


def unattended(tables: EngineTables, reader: Reader) -> Checked:
    """P10: what is not ended has a sweep, a task, or a line on the list of breaks; `tables` are the service's."""
    check = Check("P10")
    for rows in pages(reader, PAYMENTS):
        check.examined += len(rows)
        forgotten = {_unresolved(row): row for row in rows if row.state == "OPEN" and row.due_at is None}
        known = listed(reader, forgotten)
        for key, row in forgotten.items():
            if key not in known:
                check.broken(str(row.payment_id), "OPEN, and nobody will ask the platform about it")
    for rows in pages(reader, REFUNDS):
        _check_refunds_go_on(check, tables, reader, [row for row in rows if row.state != "SUCCEEDED"])
    return check.checked()


def listed_trades(reader: Reader) -> frozenset[tuple[str, str]]:
    """Channel and merchant's trade number of what is on the list of breaks."""
    return frozenset((row.channel, row.number) for row in stream(reader, BREAKS))


def _check_refunds_go_on(check: Check, tables: EngineTables, reader: Reader, refunds: Sequence[RefundRow]) -> None:
    check.examined += len(refunds)
    channels = reader.select(PAYMENTS, [refund.payment_id for refund in refunds])
    made = reader.select(tables.tasks, [(REFUND_TASK.name, str(refund.refund_id)) for refund in refunds])
    ends = {
        refund.refund_id: _end_of(refund, channels[refund.payment_id].channel)
        for refund in refunds
        if refund.payment_id in channels
        and (refund.state == "FAILED" or (REFUND_TASK.name, str(refund.refund_id)) not in made)
    }
    known = listed(reader, ends.values())
    for refund_id, key in ends.items():
        if key not in known:
            check.broken(str(refund_id), "a refund that nobody makes, and it is not on the list of breaks")


def _end_of(refund: RefundRow, channel: str) -> str:
    kind = "refund_failed" if refund.state == "FAILED" else "refund_stuck"
    return break_key(kind, channel, str(refund.refund_id), refund.amount)


def _unresolved(row: PaymentRow) -> str:
    return break_key("unresolved", row.channel, str(row.payment_id), row.amount)


def _audited(reader: Reader, rows: Sequence[PaymentRow]) -> Iterator[AuditedPayment]:
    refunds = refunds_of(reader, [row.payment_id for row in rows])
    for row in rows:
        given = refunds.get(row.payment_id, [])
        ids = tuple(refund.refund_id for refund in given if refund.state == "SUCCEEDED")
        yield AuditedPayment(
            order_id=row.order_id,
            payment_id=row.payment_id,
            user=row.user,
            channel=row.channel,
            state=row.state,
            captured=row.captured,
            refunded=refunded(given),
            promised=promised(given),
            failed=sum(refund.amount for refund in given if refund.state == "FAILED"),
            refund_ids=ids,
        )


def _check_money(reader: Reader) -> Checked:
    """What is captured is the payment's amount; refunds stay within it; every payment is under its order's bill."""
    check = Check("P5")
    for rows in pages(reader, PAYMENTS):
        bills = reader.select(BILLS, [row.order_id for row in rows])
        refunds = refunds_of(reader, [row.payment_id for row in rows])
        for row in rows:
            check.examined += 1
            _check_payment(check, row, refunds.get(row.payment_id, []))
            if row.order_id not in bills:
                check.broken(str(row.payment_id), f"order {row.order_id} has no bill")
    _check_refunds(check, reader)
    return check.checked()


def _check_payment(check: Check, row: PaymentRow, refunds: Sequence[RefundRow]) -> None:
    subject = str(row.payment_id)
    if row.captured != (row.amount if row.state == "PAID" else 0):
        check.broken(subject, f"{row.state} with {row.captured} of {row.amount} fen captured")
    if promised(refunds) > row.captured:
        check.broken(subject, f"refunds of {promised(refunds)} fen out of {row.captured} captured")
    if (row.open_key is not None) != (row.state == "OPEN"):
        check.broken(subject, f"{row.state} with the open key {row.open_key}")


def _check_refunds(check: Check, reader: Reader) -> None:
    for rows in pages(reader, REFUNDS):
        known = reader.select(PAYMENTS, [row.payment_id for row in rows])
        for row in rows:
            if row.payment_id not in known:
                check.broken(str(row.payment_id), f"refund {row.refund_id} of a payment that is not there")


def _check_notifications(reader: Reader, settings: PaymentsSettings) -> Checked:
    """One thing captured each payment that is PAID, and every notification took effect on its payment."""
    check = Check("P7")
    kept_since = reader.now - int(settings.keep_notifications * 1000)
    for rows in pages(reader, PAYMENTS):
        proofs = reader.select(NOTIFICATIONS, [(row.channel, row.notify_id) for row in rows if row.notify_id])
        for row in rows:
            check.examined += 1
            _check_proof(check, row, proofs.get((row.channel, row.notify_id)), kept_since)
    for notices in pages(reader, NOTIFICATIONS):
        payments = reader.select(PAYMENTS, [payment_id(notice.number) for notice in notices])
        for notice in notices:
            check.examined += 1
            _check_notice(check, notice, payments.get(payment_id(notice.number)))
    return check.checked()


def _check_proof(check: Check, row: PaymentRow, proof: NotificationRow | None, kept_since: int) -> None:
    if (row.told_by is not None) != (row.state == "PAID"):
        check.broken(str(row.payment_id), f"{row.state}, captured by {row.told_by or 'nothing'}")
    elif row.told_by == "notice" and row.changed_at > kept_since and (proof is None or proof.effect != "captured"):
        check.broken(str(row.payment_id), f"captured by notification {row.notify_id}, which says otherwise")


def _check_notice(check: Check, notice: NotificationRow, payment: PaymentRow | None) -> None:
    if notice.effect in ("break", "none"):
        return
    if payment is None:
        check.broken(notice.notify_id, f"took effect on payment {notice.number}, which is not there")
    elif notice.effect == "captured" and payment.notify_id != notice.notify_id:
        check.broken(notice.number, f"captured by {notice.notify_id} and again by {payment.notify_id or 'a query'}")
    elif notice.kind == "captured" and payment.state != "PAID":
        check.broken(notice.number, f"{payment.state}, though notification {notice.notify_id} says it is captured")
    elif notice.kind == "closed" and payment.state == "OPEN":
        check.broken(notice.number, f"OPEN, though notification {notice.notify_id} says it is closed")
