"""The audit of payments finds what is broken, and nothing else."""

from collections.abc import Callable

import msgspec
import pytest

from makegood.engine.database.transaction import Transaction
from makegood.engine.tables import TaskRow
from makegood.shop.audit_types import Checked
from makegood.shop.payments import audit
from makegood.shop.payments.service import Payments
from makegood.shop.payments.tables import BILLS, NOTIFICATIONS, PAYMENTS, REFUNDS, PaymentRow, RefundRow
from tests.unit.payments.desk import Desk


def _audit(desk: Desk) -> list[Checked]:
    return desk.database.read(lambda reader: audit.audit(reader, desk.settings))


async def _busy(desk: Desk) -> int:
    """Payments in every state; the id of one that is captured and partly refunded."""
    for order_id in (2, 3, 4):
        desk.add_order(order_id)
    paid = await desk.paid(1)
    desk.refund_part(paid, 500)
    await desk.work()
    desk.platform.pay(str(await desk.opened(2)))
    await desk.close(2)
    await desk.opened(3)
    await desk.close(3)
    await desk.opened(4)
    return paid


async def test_nothing_is_broken(desk: Desk) -> None:
    """A shop at work has no findings, also when its notifications are forgotten."""
    await _busy(desk)
    money, notifications = _audit(desk)
    assert (money.promise, money.examined, money.count) == ("P5", 4, 0)
    assert (notifications.promise, notifications.count) == ("P7", 0)
    desk.world.advance(91 * 86_400_000)
    desk.commit(lambda tx: desk.service.forget_notifications(tx, 10))
    assert [checked.count for checked in _audit(desk)] == [0, 0]


async def test_exports(desk: Desk) -> None:
    """Other audits read the payments by order and by payment, each in its order."""
    paid = await _busy(desk)
    by_order = desk.database.read(lambda reader: list(audit.by_order(reader)))
    assert [(one.order_id, one.state, one.captured, one.refunded) for one in by_order] == [
        (1, "PAID", 10_000, 500),
        (2, "PAID", 10_000, 0),
        (3, "CLOSED", 0, 0),
        (4, "OPEN", 0, 0),
    ]
    by_payment = desk.database.read(lambda reader: list(audit.by_payment(reader)))
    assert sorted(by_payment, key=lambda one: one.order_id) == by_order
    assert by_payment[0].payment_id == paid
    assert by_payment[0].refund_ids == tuple(one.refund_id for one in desk.payment(paid).refunds)
    assert [one.order_id for one in desk.database.read(lambda reader: list(audit.by_order(reader, 2)))] == [3, 4]


Harm = Callable[[Transaction, PaymentRow], None]


def _captured_less(tx: Transaction, row: PaymentRow) -> None:
    row.captured -= 1
    tx.update(PAYMENTS, [row])


def _refunded_more(tx: Transaction, row: PaymentRow) -> None:
    tx.insert(REFUNDS, [RefundRow(7, row.payment_id, "k", 9_501, "SUCCEEDED", "", 0, 0)])


def _refund_of_nothing(tx: Transaction, row: PaymentRow) -> None:
    tx.insert(REFUNDS, [RefundRow(7, row.payment_id + 1, "k", 1, "FAILED", "", 0, 0)])


def _still_open(tx: Transaction, row: PaymentRow) -> None:
    row.open_key = "1:testpay"
    tx.update(PAYMENTS, [row])


def _no_bill(tx: Transaction, row: PaymentRow) -> None:
    tx.delete(BILLS, tx.lock(BILLS, [row.order_id]))


def _no_proof(tx: Transaction, row: PaymentRow) -> None:
    tx.delete(NOTIFICATIONS, tx.lock(NOTIFICATIONS, [(row.channel, row.notify_id)]))


def _second_capture(tx: Transaction, row: PaymentRow) -> None:
    [proof] = tx.select(NOTIFICATIONS, [(row.channel, row.notify_id)]).values()
    tx.insert(NOTIFICATIONS, [msgspec.structs.replace(proof, notify_id="again")])


def _capture_forgotten(tx: Transaction, row: PaymentRow) -> None:
    row.state, row.captured, row.told_by, row.notify_id = "CLOSED", 0, None, ""
    tx.update(PAYMENTS, [row])


def _of_another(tx: Transaction, row: PaymentRow) -> None:
    [proof] = tx.select(NOTIFICATIONS, [(row.channel, row.notify_id)]).values()
    tx.insert(NOTIFICATIONS, [msgspec.structs.replace(proof, notify_id="other", number="99", effect="repeat")])


@pytest.mark.parametrize(
    ("harm", "promise"),
    [
        (_captured_less, "P5"),
        (_refunded_more, "P5"),
        (_refund_of_nothing, "P5"),
        (_still_open, "P5"),
        (_no_bill, "P5"),
        (_no_proof, "P7"),
        (_second_capture, "P7"),
        (_capture_forgotten, "P7"),
        (_of_another, "P7"),
    ],
)
async def test_finds_what_is_broken(desk: Desk, harm: Harm, promise: str) -> None:
    """Each kind of damage is found, under the promise that it breaks."""
    paid = await _busy(desk)

    def damage(tx: Transaction) -> None:
        harm(tx, tx.lock(PAYMENTS, [paid])[paid])

    desk.commit(damage)
    assert promise in [checked.promise for checked in _audit(desk) if checked.count]


def _unattended(desk: Desk) -> int:
    return desk.database.read(lambda reader: audit.unattended(Payments.tables, reader)).count


async def test_somebody_sees_to_everything_that_is_not_ended(desk: Desk) -> None:
    """Open payments are asked about, and refunds that did not succeed are made or listed."""
    paid = await _busy(desk)
    assert _unattended(desk) == 0
    desk.platform.refund_status = "failed"
    desk.refund_part(paid, 700, "fails")
    await desk.work()
    assert _unattended(desk) == 0
    desk.platform.refund_status = "processing"
    refund = desk.refund_part(paid, 700, "stuck").refund
    assert refund is not None
    assert _unattended(desk) == 1  # the desk keeps its tasks elsewhere
    key = ("refund", str(refund.refund_id))
    task = TaskRow(*key, "WAITING", b"{}", 0, 0, 0, None, "")
    desk.commit(lambda tx: tx.insert(Payments.tables.tasks, [task]))
    assert _unattended(desk) == 0
    desk.commit(lambda tx: tx.delete(Payments.tables.tasks, tx.lock(Payments.tables.tasks, [key])))
    desk.world.advance(8 * 86_400_000)
    await desk.work()
    desk.sweep()
    assert _unattended(desk) == 0
    assert set(desk.breaks()) == {"refund_failed", "refund_stuck", "unresolved"}


@pytest.mark.parametrize("kind", ["refund_failed", "unresolved"])
async def test_what_nobody_sees_to_is_found(desk: Desk, kind: str) -> None:
    """A payment nobody asks about, and a failed refund, that are missing on the list of breaks."""
    paid = await _busy(desk)
    desk.platform.refund_status = "failed"
    desk.refund_part(paid, 700, "fails")
    await desk.work()
    desk.world.advance(8 * 86_400_000)
    desk.sweep()
    assert _unattended(desk) == 0
    desk.database.connection.execute("DELETE FROM breaks WHERE kind = ?", (kind,))
    assert _unattended(desk) == 1
