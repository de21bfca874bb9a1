"""Points follow payments, in whatever order they are heard of."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine.database.transaction import Transaction
from makegood.shop.payments.contracts import Refunded, Succeeded
from makegood.shop.points.audit import audit, entries
from makegood.shop.points.contracts import EntriesOfPayments, PointsOfUser
from makegood.shop.points.service import Points
from makegood.shop.points.tables import BALANCES, ENTRIES, SCHEMA, BalanceRow
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld


class Desk:
    """The points service on a database in memory."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(SCHEMA, ManualWorld())
        self.service = Points()

    def hear(self, *events: Succeeded | Refunded) -> None:
        """The events arrive, each kind in a batch of its own."""
        succeeded = [event for event in events if isinstance(event, Succeeded)]
        refunded = [event for event in events if isinstance(event, Refunded)]
        self.database.write(lambda tx: self.service.add(tx, succeeded))
        self.database.write(lambda tx: self.service.take_back(tx, refunded))

    def points(self, user: str = "alice") -> int:
        """What the user is told."""
        [answer] = self.database.read(lambda reader: self.service.of_user(reader, [PointsOfUser(user)]))
        assert answer.user == user
        return answer.points

    def broken(self) -> list[str]:
        """The subjects that the audit finds."""
        [checked] = self.database.read(audit)
        return [finding.subject for finding in checked.findings]


@pytest.fixture
def desk() -> Desk:
    """An empty one."""
    return Desk()


def _succeeded(payment_id: int, amount: int, user: str = "alice") -> Succeeded:
    return Succeeded(payment_id, payment_id * 10, user, "testpay", amount, 0)


def _refunds(payment_id: int, captured: int, amounts: Sequence[int], user: str = "alice") -> list[Refunded]:
    totals = [sum(amounts[: at + 1]) for at in range(len(amounts))]
    parts = zip(amounts, totals, strict=True)
    return [
        Refunded(payment_id, 100 + at, payment_id * 10, user, amount, total, captured, 0)
        for at, (amount, total) in enumerate(parts)
    ]


@pytest.mark.parametrize(("amount", "points"), [(1, 0), (99, 0), (100, 1), (199, 1), (12_345, 123)])
def test_one_for_each_full_100_fen(desk: Desk, amount: int, points: int) -> None:
    """Each payment is rounded down."""
    desk.hear(_succeeded(1, amount))
    assert desk.points() == points


def test_each_payment_is_rounded_by_itself(desk: Desk) -> None:
    """Two halves of a point are none."""
    desk.hear(_succeeded(1, 150), _succeeded(2, 150))
    assert desk.points() == 2


def test_repeats_change_nothing(desk: Desk) -> None:
    """The same events again, in the same batch or a later one, are not counted again."""
    events = [_succeeded(1, 1_000), *_refunds(1, 1_000, [300])]
    desk.hear(*events, *events)
    desk.hear(*events)
    assert desk.points() == 7


def test_nobody_heard_of(desk: Desk) -> None:
    """A user without payments has no points."""
    assert desk.points("bob") == 0


def test_a_refund_that_overtook_its_capture(desk: Desk) -> None:
    """The debt does not show, and is made up for when the capture is heard of."""
    desk.hear(*_refunds(1, 1_000, [400]))
    assert desk.points() == 0
    desk.hear(_succeeded(1, 1_000))
    assert desk.points() == 6


def test_parts_take_back_what_the_whole_would(desk: Desk) -> None:
    """Each part takes back the difference it makes, so rounding adds up; a refund of nothing takes nothing."""
    desk.hear(_succeeded(1, 199), *_refunds(1, 199, [99, 1, 99, 0]))
    taken = [entry.points for entry in desk.database.read(lambda reader: list(entries(reader)))]
    assert taken == [1, 0, -1, 0, 0]
    assert desk.points() == 0


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[Any], dict[str, int]]:
    """Events of some payments in any order, some of them twice, and what each user must have in the end."""
    events: list[Any] = []
    expected = {"alice": 0, "bob": 0}
    for payment_id in range(1, draw(st.integers(1, 5)) + 1):
        user = draw(st.sampled_from(["alice", "bob"]))
        captured = draw(st.integers(1, 5_000))
        cuts = sorted(draw(st.sets(st.integers(1, captured), max_size=4)))
        parts = [end - begin for begin, end in zip([0, *cuts], cuts, strict=False)]
        events += [_succeeded(payment_id, captured, user), *_refunds(payment_id, captured, parts, user)]
        expected[user] += (captured - sum(parts)) // 100
    events += draw(st.lists(st.sampled_from(events), max_size=5))
    return draw(st.permutations(events)), expected


@given(_histories(), st.integers(1, 4))
def test_any_order_comes_to_the_same(history: tuple[list[Any], dict[str, int]], size: int) -> None:
    """However events arrive, a user ends with a hundredth of what was captured and kept, payment by payment."""
    desk = Desk()
    events, expected = history
    for at in range(0, len(events), size):
        desk.hear(*events[at : at + size])
    assert {user: desk.points(user) for user in expected} == expected
    assert desk.broken() == []


def test_the_audit_adds_up_entries(desk: Desk) -> None:
    """A balance that is not the sum of its entries is found, and so is one that is missing."""
    desk.hear(_succeeded(1, 1_000), _succeeded(2, 1_000, "bob"))

    def damage(tx: Transaction) -> None:
        [balance] = tx.lock(BALANCES, ["alice"]).values()
        balance.points += 1
        tx.update(BALANCES, [balance])
        tx.delete(BALANCES, tx.lock(BALANCES, ["bob"]))
        tx.insert(BALANCES, [BalanceRow("carol", 1)])

    desk.database.write(damage)
    assert desk.broken() == ["alice", "carol", "bob"]


def test_the_audit_reads_many_entries_of_one_user(desk: Desk) -> None:
    """More entries than are held in memory at a time are added up all the same."""
    desk.hear(*(_succeeded(payment_id, 100) for payment_id in range(1, 2_502)))
    assert desk.points() == 2_501
    assert desk.broken() == []
    assert len(desk.database.read(lambda reader: list(entries(reader, (1_000, 0))))) == 1_501
    assert len(desk.database.read(lambda reader: reader.select(ENTRIES, [(2_501, 0)]))) == 1


def test_entries_of_payments(desk: Desk) -> None:
    """Each payment's entries come with its refunds', for each who asks; none of a payment nobody has heard of."""
    desk.hear(_succeeded(1, 1_000), _succeeded(2, 500), *_refunds(1, 1_000, [400]))
    requests = [EntriesOfPayments(ids) for ids in ((2, 1), (7,), ())]
    found, *others = desk.database.read(lambda reader: desk.service.of_payments(reader, requests))
    told = [(entry.payment_id, entry.refund_id, entry.points) for entry in found.entries]
    assert told == [(2, 0, 5), (1, 0, 10), (1, 100, -4)]
    assert [answer.entries for answer in others] == [(), ()]
