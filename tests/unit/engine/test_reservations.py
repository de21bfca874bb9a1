"""The barrier: take once, give back once, in any order of arrival."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Transaction
from makegood.engine.reservations import CANCELLED, MEMORY, SKEW, UNHEARD, Answer, Reservations
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld

PATIENCE = 5_000
"""Milliseconds in which an order is decided."""


class Ask(msgspec.Struct, frozen=True):
    """An order asks for seats."""

    order_id: int
    seats: int
    deadline: int


class Seats(msgspec.Struct, frozen=True):
    """What an order holds."""

    seats: int


class Seated(Answer, frozen=True, kw_only=True):
    """What it is answered."""

    seats: int = 0


class Hall(msgspec.Struct):
    """How many seats are free."""

    id: int
    free: int


SCHEMA = Schema("hall")
HALLS = Table[Hall, int](SCHEMA, "halls", Hall, key=("id",))
RESERVATIONS = Reservations(SCHEMA, Seats, Seated)


class Theatre:
    """A participant with a hall of a hundred seats, in a database in memory."""

    def __init__(self) -> None:
        self.world = ManualWorld()
        self.database = MemoryDatabase(SCHEMA, self.world)
        self.decided: list[int] = []
        self.database.write(lambda tx: tx.insert(HALLS, [Hall(1, 100)]))

    def ask(self, order_id: int, seats: int, *, late: int = 0) -> Ask:
        """A request whose deadline passed `late` ms ago, or is to come."""
        return Ask(order_id, seats, self.world.now() - late if late else self.world.now() + PATIENCE)

    def take(self, *asks: Ask) -> list[Seated]:
        """The answers to one batch."""

        def work(tx: Transaction) -> list[Seated]:
            taking = RESERVATIONS.begin(tx, asks)
            [hall] = tx.lock(HALLS, [1]).values()
            for ask in taking:
                self.decided.append(ask.order_id)
                if ask.seats > hall.free:
                    taking.refuse(ask, "full")
                else:
                    hall.free -= ask.seats
                    taking.accept(ask, Seats(ask.seats), Seated(seats=ask.seats))
            tx.update(HALLS, [hall])
            return taking.answers()

        return self.database.write(work)

    def give_back(self, *orders: int) -> dict[int, int]:
        """What these orders gave back."""

        def work(tx: Transaction) -> dict[int, int]:
            returned = RESERVATIONS.give_back(tx, orders)
            [hall] = tx.lock(HALLS, [1]).values()
            hall.free += sum(seats.seats for seats in returned.values())
            tx.update(HALLS, [hall])
            return {order: seats.seats for order, seats in returned.items()}

        return self.database.write(work)

    def forget(self, limit: int = 100) -> int:
        """How many rows were forgotten."""
        return self.database.write(lambda tx: RESERVATIONS.forget(tx, limit))

    @property
    def free(self) -> int:
        """Free seats."""
        return self.database.read(lambda reader: reader.select(HALLS, [1]))[1].free

    def states(self) -> dict[int, str]:
        """The reservations' states by order."""
        rows = self.database.read(lambda reader: reader.page(RESERVATIONS.table, limit=1_000))
        return {row.order_id: row.state for row in rows}


def test_duplicate() -> None:
    """A request that was answered is answered the same again and takes nothing, whether accepted or refused."""
    theatre = Theatre()
    asks = [theatre.ask(1, 30), theatre.ask(2, 90)]
    first = theatre.take(*asks)
    assert first == [Seated(seats=30), Seated(refusal="full")]
    theatre.give_back(9)
    assert theatre.take(*asks) == first
    assert (theatre.free, theatre.decided) == (70, [1, 2])


def test_duplicate_in_a_batch() -> None:
    """Requests are decided in the order in which they came, each order once, and each gets an answer in its place."""
    theatre = Theatre()
    answers = theatre.take(
        theatre.ask(2, 60), theatre.ask(1, 60), theatre.ask(2, 60), theatre.ask(3, 40), theatre.ask(1, 1)
    )
    assert [answer.refusal for answer in answers] == ["", "full", "", "", "full"]
    assert (theatre.decided, theatre.free) == ([2, 1, 3], 0)


def test_null_compensation() -> None:
    """A cancel of an order never seen gives nothing back and is remembered."""
    theatre = Theatre()
    assert theatre.give_back(1, 1, 2) == {}
    assert (theatre.free, theatre.states()) == (100, {1: "CANCELLED", 2: "CANCELLED"})


def test_hanging() -> None:
    """A request behind its order's cancel is refused, and takes nothing."""
    theatre = Theatre()
    theatre.give_back(1)
    assert theatre.take(theatre.ask(1, 10)) == [Seated(refusal=CANCELLED)]
    assert theatre.free == 100


@pytest.mark.parametrize(("late", "refusal"), [(SKEW, ""), (SKEW + 1, CANCELLED)])
def test_late_request(late: int, refusal: str) -> None:
    """A request past its deadline and the clocks' skew is refused, and stays refused."""
    theatre = Theatre()
    ask = theatre.ask(1, 10, late=late)
    assert theatre.take(ask, ask)[1].refusal == refusal
    assert theatre.take(ask)[0].refusal == refusal
    assert theatre.free == (90 if not refusal else 100)


def test_give_back_once() -> None:
    """What an order took is given back once, however often its cancel comes; refused orders give nothing."""
    theatre = Theatre()
    theatre.take(theatre.ask(1, 30), theatre.ask(2, 71))
    assert theatre.give_back(2, 1, 1) == {1: 30}
    assert theatre.give_back(1, 2) == {}
    assert (theatre.free, theatre.states()) == (100, {1: "RETURNED", 2: "REFUSED"})


def test_undecided_request() -> None:
    """A participant that forgets to decide a request has a bug, and nothing of its batch is stored."""
    theatre = Theatre()

    def work(tx: Transaction) -> list[Seated]:
        taking = RESERVATIONS.begin(tx, [theatre.ask(1, 1), theatre.ask(2, 1)])
        taking.accept(next(iter(taking)), Seats(1))
        return taking.answers()

    with pytest.raises(KeyError):
        theatre.database.write(work)
    assert theatre.states() == {}


def test_decided_twice() -> None:
    """A participant that decides a request twice has a bug, and nothing of its batch is stored."""
    theatre = Theatre()

    def work(tx: Transaction) -> None:
        taking = RESERVATIONS.begin(tx, [theatre.ask(1, 1)])
        for _ in range(2):
            taking.refuse(theatre.ask(1, 1), "full")

    with pytest.raises(AssertionError, match="decided twice"):
        theatre.database.write(work)
    assert theatre.states() == {}


def test_forget() -> None:
    """Refusals and cancels are forgotten after a week, at most so many at once; what is held never is."""
    theatre = Theatre()
    theatre.take(theatre.ask(1, 30), theatre.ask(2, 71), theatre.ask(3, 71))
    theatre.give_back(4, 5)
    theatre.world.advance(MEMORY - 1)
    assert theatre.forget() == 0
    theatre.world.advance(1)
    assert [theatre.forget(3), theatre.forget(3), theatre.forget(3)] == [3, 1, 0]
    assert theatre.states() == {1: "TAKEN"}


def test_unheard() -> None:
    """Orders that hold something an hour past their deadline are to be asked about, the oldest first."""
    theatre = Theatre()
    theatre.take(theatre.ask(1, 1))
    theatre.world.advance(1)
    theatre.take(theatre.ask(2, 1), theatre.ask(3, 1_000))
    theatre.world.advance(PATIENCE + UNHEARD - 1)
    assert theatre.database.read(lambda reader: RESERVATIONS.unheard(reader, 10)) == (1,)
    theatre.world.advance(1)
    assert theatre.database.read(lambda reader: RESERVATIONS.unheard(reader, 10)) == (1, 2)
    theatre.give_back(1)
    assert theatre.database.read(lambda reader: RESERVATIONS.unheard(reader, 10)) == (2,)


Step = tuple[str, list[tuple[int, int]]]
ORDERS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 60)), min_size=1, max_size=6)
STEPS = st.lists(st.tuples(st.sampled_from(["take", "cancel", "wait"]), ORDERS), max_size=25)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_any_order_of_arrival(steps: list[Step]) -> None:
    """Whatever comes, however often, in whatever order: seats add up, answers stay, cancelled orders hold nothing."""
    theatre = Theatre()
    answers: dict[int, Seated] = {}
    cancelled: set[int] = set()
    returned: list[int] = []
    for kind, orders in steps:
        if kind == "take":
            asks = [theatre.ask(order, seats) for order, seats in orders]
            for ask, answer in zip(asks, theatre.take(*asks), strict=True):
                assert answers.setdefault(ask.order_id, answer) == answer
        elif kind == "cancel":
            ids = [order for order, _ in orders]
            returned.extend(theatre.give_back(*ids))
            cancelled.update(ids)
        else:
            theatre.world.advance(orders[0][1])
        held = held_by(theatre)
        assert theatre.free + sum(held.values()) == 100
        assert theatre.free >= 0
        assert not cancelled & held.keys()
    assert len(returned) == len(set(returned))
    assert set(returned) <= {order for order, answer in answers.items() if not answer.refusal}


def held_by(theatre: Theatre) -> dict[int, int]:
    """The seats that orders hold, from what is stored."""
    rows = theatre.database.read(lambda reader: reader.page(RESERVATIONS.table, limit=1_000))
    return {row.order_id: RESERVATIONS.taken(row).seats for row in rows if row.state == "TAKEN"}
