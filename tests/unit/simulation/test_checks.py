"""What is checked in a world at rest, on data written by hand: each check finds what it is for, and only that."""

from collections.abc import Iterator

import apsw
import msgspec
import pytest

from makegood.engine.reservations import CANCELLED
from makegood.shop.assembly import CLASSES
from makegood.shop.orders.contracts import Change, Order, Placed, PlaceOrder
from makegood.shop.orders.tables import OrderRow
from makegood.shop.orders.view import NO_CHANGES
from makegood.shop.types import Line
from makegood.simulation import checks
from makegood.simulation.attempts import Attempt
from makegood.simulation.checks import (
    DRAINED,
    FAIR,
    IN_TIME,
    KEPT,
    LATE,
    LOST,
    ONE_ANSWER,
    SLOWEST_START,
    SWEEP,
    TAKEN,
    Broken,
)
from makegood.simulation.database import Disk, empty

SCHEMAS = {one.name: one.schema for one in CLASSES}
HOLDERS = ("stock", "coupons", "accounts")
ASKED = PlaceOrder("anna", "key-1", (Line("tea", 1, 500),), None, 0, 600, 1_100)
OTHER_BODY = msgspec.structs.replace(ASKED, amount_due=1_107)
NOW = 1_750_000_100_000
UNDECIDED, REUSED = Placed("undecided"), Placed("key_reused")


class House:
    """Disks without anything on them."""

    def __init__(self) -> None:
        self.disks = {name: Disk(name, empty(schema)) for name, schema in SCHEMAS.items()}

    @property
    def orders(self) -> apsw.Connection:
        """Where the orders are."""
        return self.disks["orders"].connection

    def put(self, service: str, table: str, **values: object) -> None:
        """A row; what is not named is 0, or NULL where it may be."""
        connection = self.disks[service].connection
        columns = connection.execute(f"SELECT name, \"notnull\" FROM pragma_table_info('{table}')").fetchall()
        row = [values.get(str(name), 0 if needed else None) for name, needed in columns]
        assert set(values) <= {name for name, _ in columns}
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in row)})", row)

    def order(self, order_id: int, decision: str, **values: object) -> None:
        """An order of ASKED that was decided so."""
        self.put(
            "orders", "orders", order_id=order_id, idem=str(order_id), decision=decision, amount_due=1_100, **values
        )

    def holds(self, service: str, order_id: int, state: str) -> None:
        """A participant's reservation."""
        self.put(service, "reservations", order_id=order_id, state=state)

    def answers(self, *attempts: Attempt) -> list[Broken]:
        """What is broken about these answers."""
        return checks.answers(attempts, self.orders, {name: self.disks[name] for name in HOLDERS})


@pytest.fixture
def house() -> Iterator[House]:
    """An empty house."""
    house = House()
    yield house
    for disk in house.disks.values():
        disk.connection.close()


def decided(outcome: str, order_id: int, refusal: str = "") -> Placed:
    """An answer about this order."""
    order = Order(
        order_id, "anna", "CONFIRMED", "UNPAID", "UNSHIPPED", (), 500, None, 0, 600, 0, 1_100, 0, 0, None, "", ()
    )
    return Placed(outcome, refusal, order)  # type: ignore[arg-type]


def attempt(answer: Placed | None, began: float, ended: float, order: PlaceOrder = ASKED) -> Attempt:
    """A request whose sums are right, and its answer."""
    return Attempt(order, True, began, ended, answer)


CONFIRMED, REFUSED = decided("confirmed", 1), decided("refused", 1, "sold_out")


def promises(broken: list[Broken]) -> list[str]:
    """Which promises are broken, each once."""
    return sorted({one.promise for one in broken})


def test_good_answers_are_good(house: House) -> None:
    """Undecided before decided, repeats, no answers and the misuse of a key break nothing."""
    house.order(1, "confirmed")
    house.holds("stock", 1, "TAKEN")
    assert not house.answers(
        attempt(UNDECIDED, 0, 1),
        attempt(None, 0, 2),
        attempt(CONFIRMED, 1, 3),
        attempt(CONFIRMED, 2, 4),
        attempt(REUSED, 4, 5, OTHER_BODY),
        attempt(None, 5, 9),
    )


def test_good_refusals_are_good(house: House) -> None:
    """A refused order whose participants took nothing, gave it back or refused breaks nothing."""
    house.order(1, "sold_out")
    for service, state in zip(HOLDERS, ("REFUSED", "RETURNED", "CANCELLED"), strict=True):
        house.holds(service, 1, state)
    house.holds("stock", 2, "TAKEN")
    assert not house.answers(attempt(REFUSED, 0, 1), attempt(REFUSED, 2, 3))


def test_no_answers_are_good(house: House) -> None:
    """Where nobody was answered nothing was promised."""
    assert not house.answers()
    assert not house.answers(attempt(None, 0, 1), attempt(UNDECIDED, 0, 1))


def test_a_confirmed_order_that_is_not_there(house: House) -> None:
    """A 201 whose order is unknown, or undecided, or refused now, is lost."""
    assert promises(house.answers(attempt(CONFIRMED, 0, 1))) == [LOST]
    for order_id, decision in ((1, ""), (2, "sold_out")):
        house.order(order_id, decision)
        assert promises(house.answers(attempt(decided("confirmed", order_id), 0, 1))) == [LOST]


def test_a_confirmed_order_of_another_amount(house: House) -> None:
    """A 201 whose order is due another amount than the buyer agreed to is lost."""
    house.order(1, "confirmed")
    house.orders.execute("UPDATE orders SET amount_due = 1101")
    [broken] = house.answers(attempt(CONFIRMED, 0, 1))
    assert (broken.promise, broken.subject) == (LOST, "anna key-1")
    assert "1101" in broken.detail


def test_a_refused_order_that_is_something_else(house: House) -> None:
    """A 409 whose order is confirmed, or refused for another reason, is found."""
    house.order(1, "confirmed")
    house.order(2, "coupon_unusable")
    assert promises(house.answers(attempt(REFUSED, 0, 1))) == [LOST]
    assert promises(house.answers(attempt(decided("refused", 2, "sold_out"), 0, 1))) == [LOST]


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_refused_order_that_holds_something(house: House, holder: str) -> None:
    """A 409 for whose order any participant still holds something is found, with the participant's name."""
    house.order(1, "sold_out")
    house.holds(holder, 1, "TAKEN")
    [broken] = house.answers(attempt(REFUSED, 0, 1))
    assert broken.promise == TAKEN
    assert holder in broken.detail


def test_answers_that_differ(house: House) -> None:
    """Two definite answers of one body that differ in outcome, reason or order are found, whatever is stored."""
    house.order(1, "confirmed")
    house.order(2, "confirmed")
    for second in (REFUSED, decided("confirmed", 2), REUSED):
        found = house.answers(attempt(CONFIRMED, 0, 1), attempt(second, 0, 2))
        assert ONE_ANSWER in promises(found)
    reasons = house.answers(attempt(REFUSED, 0, 1), attempt(decided("refused", 1, "coupon_unusable"), 0, 2))
    assert ONE_ANSWER in promises(reasons)


def test_undecided_behind_decided(house: House) -> None:
    """Who asks after a definite answer came is never told `undecided`; who asked before it may be."""
    house.order(1, "confirmed")
    assert promises(house.answers(attempt(CONFIRMED, 0, 1), attempt(UNDECIDED, 2, 3))) == [ONE_ANSWER]
    assert not house.answers(attempt(CONFIRMED, 0, 1), attempt(UNDECIDED, 0.5, 3))


def test_the_order_of_the_answers_counts(house: House) -> None:
    """Attempts are looked at in the order in which they were answered, however they are listed."""
    house.order(1, "confirmed")
    assert promises(house.answers(attempt(UNDECIDED, 2, 3), attempt(CONFIRMED, 0, 1))) == [ONE_ANSWER]
    assert not house.answers(attempt(CONFIRMED, 2, 3), attempt(UNDECIDED, 0, 1))


def test_two_bodies_for_one_key(house: House) -> None:
    """One key takes one body: another one is refused as a misuse, never placed."""
    house.order(1, "confirmed")
    house.put("orders", "orders", order_id=2, idem="2", decision="confirmed", amount_due=1_107)
    second = attempt(decided("confirmed", 2), 2, 3, OTHER_BODY)
    assert promises(house.answers(attempt(CONFIRMED, 0, 1), second)) == [ONE_ANSWER]
    other_key = msgspec.structs.replace(OTHER_BODY, key="key-2")
    assert not house.answers(attempt(CONFIRMED, 0, 1), attempt(decided("confirmed", 2), 2, 3, other_key))
    other_user = msgspec.structs.replace(OTHER_BODY, user="bert")
    assert not house.answers(attempt(CONFIRMED, 0, 1), attempt(decided("confirmed", 2), 2, 3, other_user))


def test_a_confirmed_order_with_a_wrong_sum(house: House) -> None:
    """A 201 for sums that are not the shop's own is found; a refusal of them is right."""
    house.order(1, "confirmed")
    house.order(2, "total_mismatch")
    assert promises(house.answers(Attempt(ASKED, False, 0, 1, CONFIRMED))) == [FAIR]
    assert not house.answers(Attempt(ASKED, False, 0, 1, decided("refused", 2, "total_mismatch")))


SKEW = 2_000


def cancelled_order(decision: str, at: int, payment_status: str = "UNPAID") -> OrderRow:
    """An order that had to be decided by NOW, and paid a minute later, cancelled at this time."""
    change = Change(at, "CANCELLED", payment_status, "UNSHIPPED", "expired")  # type: ignore[arg-type]
    times = (NOW - 5_000, NOW, NOW + 60_000)
    changes = msgspec.json.encode([change]).decode()
    return OrderRow(
        1, "anna", "", "", "CANCELLED", "UNPAID", "UNSHIPPED", decision,
        500, None, 0, 600, 0, 1_100, *times, None, None, changes,
    )  # fmt: skip


def test_an_order_is_cancelled_when_its_time_is_over() -> None:
    """An order that nobody wanted cancelled has all of its time, but for what clocks may differ by."""
    for decision, limit in (("confirmed", NOW + 60_000), (CANCELLED, NOW)):
        early, late = cancelled_order(decision, limit - SKEW - 1), cancelled_order(decision, limit - SKEW)
        [broken] = checks.cancelled([early], (), {}, {}, SKEW)
        assert (broken.promise, broken.subject) == (IN_TIME, "1")
        assert str(SKEW + 1) in broken.detail
        assert not checks.cancelled([early], {1}, {}, {}, SKEW)
        assert not checks.cancelled([late], (), {}, {}, SKEW)


def test_who_has_paid_is_not_cancelled() -> None:
    """An order that was paid before it was cancelled is found, even where its buyer wanted that."""
    order = cancelled_order("confirmed", NOW + 60_000)
    [broken] = checks.cancelled([order], {1}, {1: NOW + 60_000 - SKEW - 1}, {}, SKEW)
    assert (broken.promise, broken.subject) == (KEPT, "1")
    assert not checks.cancelled([order], {1}, {1: NOW + 60_000 - SKEW}, {}, SKEW)
    assert not checks.cancelled([order], {1}, {2: NOW}, {}, SKEW)
    assert not checks.cancelled([order], {1}, {1: NOW}, {1: NOW + SKEW}, SKEW)


def test_other_ends_are_no_early_cancels() -> None:
    """Orders that live, were refused, or were cancelled with their money given back break neither promise."""
    alive = msgspec.structs.replace(cancelled_order("confirmed", NOW), changes=NO_CHANGES)
    refused = cancelled_order("sold_out", NOW - 4_000)
    refunded = cancelled_order("confirmed", NOW, "REFUNDED")
    assert not checks.cancelled([alive, refused, refunded], (), {1: NOW - 60_000}, {}, SKEW)


def test_orders_that_are_undecided_too_long(house: House) -> None:
    """An open order is late once its deadline, or the end of the faults, is past by a start and a sweep."""
    grace = SLOWEST_START + SWEEP
    house.order(1, "", status="OPEN", deadline=NOW)
    house.order(2, "confirmed", status="CONFIRMED", deadline=NOW)
    assert not checks.late(house.orders, NOW + grace, 0)
    assert not checks.late(house.orders, NOW + grace + 1, NOW + 1)
    [broken] = checks.late(house.orders, NOW + grace + 1, NOW)
    assert broken == Broken(LATE, "1", f"undecided {grace + 1} ms past its deadline")


def test_a_house_at_rest(house: House) -> None:
    """Decided orders and settled payments that nobody must look at are at rest."""
    house.order(1, "confirmed")
    house.put("payments", "payments", payment_id=1)
    assert checks.unrest(house.disks) == []


@pytest.mark.parametrize("service", SCHEMAS)
@pytest.mark.parametrize("table", ["outbox", "tasks", "set_aside"])
def test_what_waits_is_unrest(house: House, service: str, table: str) -> None:
    """A message not sent, a task not done, an event set aside in any service is found."""
    house.put(service, table)
    [broken] = checks.unrest(house.disks)
    assert (broken.promise, broken.subject) == (DRAINED, service)
    assert table in broken.detail


@pytest.mark.parametrize(("service", "key"), [("orders", "order_id"), ("payments", "payment_id")])
def test_what_is_to_be_looked_at_is_unrest(house: House, service: str, key: str) -> None:
    """An order or payment that somebody still has to look at is found, with its id."""
    house.put(service, service, **{key: 4711, "due_at": NOW})
    [broken] = checks.unrest(house.disks)
    assert (broken.promise, broken.subject) == (DRAINED, service)
    assert "4711" in broken.detail
