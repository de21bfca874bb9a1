"""The journal writes down what it hears."""

import msgspec
import pytest

from makegood.engine.service import ListenerSpec
from makegood.shop.journal.audit import Written, audit, written
from makegood.shop.journal.contracts import MAX_ENTRIES, Entries, EntriesOfOrder, Entry
from makegood.shop.journal.service import Journal
from makegood.shop.journal.tables import SCHEMA
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld

NOW = 1_700_000_000_000
SUCCEEDED = payments.Succeeded(7, 1, "alice", "testpay", 500, NOW)
REFUND_REQUESTED = orders.RefundRequested(1, "alice", 7, ("stock",), "asked")
REFUNDED = payments.Refunded(7, 8, 1, "alice", 500, 500, 500, NOW)


class Desk:
    """The journal on a database in memory."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(SCHEMA, ManualWorld(NOW))
        self.service = Journal()

    def hear_all(self) -> None:
        """The whole life of order 1, and the end of order 2."""
        journal = self.service
        self.database.write(lambda tx: journal.order_confirmed(tx, [orders.Confirmed(1, "alice", 500)]))
        self.database.write(lambda tx: journal.order_cancelled(tx, [orders.Cancelled(2, "bob", "asked", ())]))
        self.database.write(lambda tx: journal.payment_succeeded(tx, [SUCCEEDED]))
        self.database.write(lambda tx: journal.order_paid(tx, [orders.Paid(1, "alice", 7, 500)]))
        self.database.write(lambda tx: journal.refund_requested(tx, [REFUND_REQUESTED]))
        self.database.write(lambda tx: journal.payment_refunded(tx, [REFUNDED]))

    def entries(self, order_id: int) -> tuple[Entry, ...]:
        """What happened around an order."""
        return self.answer(order_id).entries

    def answer(self, order_id: int) -> Entries:
        """What the journal says of an order."""
        [found] = self.database.read(lambda reader: self.service.of_order(reader, [EntriesOfOrder(order_id)]))
        return found


@pytest.fixture
def desk() -> Desk:
    """An empty one."""
    return Desk()


def test_the_life_of_an_order(desk: Desk) -> None:
    """Each event is a row with its topic, its tag and whose it is, in the order in which it was heard."""
    desk.hear_all()
    entries = desk.entries(1)
    assert [(one.topic, one.tag, one.payment_id) for one in entries] == [
        ("orders", "confirmed", None),
        ("payments", "succeeded", 7),
        ("orders", "paid", 7),
        ("orders", "refund-requested", 7),
        ("payments", "refunded", 7),
    ]
    assert [one.entry_id for one in entries] == sorted(one.entry_id for one in entries)
    assert {one.at for one in entries} == {NOW}
    assert [one.tag for one in desk.entries(2)] == ["cancelled"]
    assert desk.entries(3) == ()


def test_the_payload_is_kept_whole(desk: Desk) -> None:
    """The detail is the event's JSON, from which the event can be read again."""
    desk.hear_all()
    details = {one.tag: one.detail for one in desk.entries(1)}
    assert msgspec.json.decode(details["refunded"], type=payments.Refunded) == REFUNDED
    assert msgspec.json.decode(details["refund-requested"], type=orders.RefundRequested) == REFUND_REQUESTED


def test_batches(desk: Desk) -> None:
    """A batch is a row each, also for one order."""
    events = [orders.Paid(order_id, "alice", order_id + 10, 5) for order_id in (1, 2, 1)]
    desk.database.write(lambda tx: desk.service.order_paid(tx, events))
    assert [len(desk.entries(order_id)) for order_id in (1, 2)] == [2, 1]


def test_an_answer_is_bounded(desk: Desk) -> None:
    """An order's first thousand entries are told, and whether that is all."""
    events = [orders.Paid(1, "alice", number + 1, 5) for number in range(MAX_ENTRIES)]
    desk.database.write(lambda tx: desk.service.order_paid(tx, events))
    whole = desk.answer(1)
    assert (len(whole.entries), whole.complete) == (MAX_ENTRIES, True)
    desk.database.write(lambda tx: desk.service.payment_refunded(tx, [REFUNDED]))
    assert (desk.answer(1).entries, desk.answer(1).complete) == (whole.entries, False)


def test_hears_every_event_once() -> None:
    """It listens to all that orders and payments publish, and leaves it to the engine that each is heard once."""
    specs = Journal.specs(ListenerSpec)
    events = (orders.CONFIRMED, orders.CANCELLED, orders.PAID, orders.REFUND_REQUESTED)
    heard = {(spec.topic, spec.tag) for spec in specs}
    assert heard == {(event.topic, event.tag) for event in (*events, payments.SUCCEEDED, payments.REFUNDED)}
    assert not any(spec.idempotent for spec in specs)


def test_the_audit_finds_what_is_written_twice(desk: Desk) -> None:
    """An event that is there twice is found, wherever its rows lie; two refunds of a payment are two events."""
    desk.hear_all()
    second = msgspec.structs.replace(REFUNDED, refund_id=9, amount=0)
    desk.database.write(lambda tx: desk.service.payment_refunded(tx, [second]))
    [checked] = desk.database.read(audit)
    assert (checked.examined, checked.count) == (7, 0)
    many = [orders.Confirmed(order_id, "alice", 5) for order_id in range(100, 2_100)]
    desk.database.write(lambda tx: desk.service.order_confirmed(tx, many))
    desk.database.write(lambda tx: desk.service.payment_succeeded(tx, [SUCCEEDED]))
    [checked] = desk.database.read(audit)
    assert [finding.subject for finding in checked.findings] == ["1"]
    assert "succeeded" in checked.findings[0].detail


def test_asking_again_for_a_refund_is_another_event(desk: Desk) -> None:
    """Orders asks again when it hears of a late payment again; payments refunds once, so nothing is broken."""
    desk.hear_all()
    desk.database.write(lambda tx: desk.service.refund_requested(tx, [REFUND_REQUESTED]))
    [checked] = desk.database.read(audit)
    assert (checked.examined, checked.count) == (7, 0)


def test_what_is_written_about_orders(desk: Desk) -> None:
    """Other audits ask what the journal knows of some orders."""
    desk.hear_all()
    known = desk.database.read(lambda reader: written(reader, [1, 2, 3]))
    assert Written(1, "payments", "succeeded", 7, None) in known
    assert Written(1, "payments", "refunded", 7, 8) in known
    assert Written(2, "orders", "cancelled", None, None) in known
    assert len(known) == 6
