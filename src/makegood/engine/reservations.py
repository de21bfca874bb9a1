"""The barrier: take once, give back once, in any order of arrival.

A participant of an order keeps one row for each order that asked it. The row says what was taken and what was
answered, and outlives the answer, so the three anomalies of sagas cannot happen (the names are dtm's):

- *duplicate*: a request that was answered is answered the same again, refusals included;
- *null compensation*: a cancel of an order not seen takes nothing back, and is remembered (CANCELLED);
- *hanging*: a request behind its order's cancel, or past its deadline plus `SKEW`, is refused.

The row is a plain INSERT in the effect's own transaction; who loses a race gets DuplicateKey, runs again, and looks.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Reader, Transaction

CANCELLED = "cancelled"
"""The refusal of a request whose order is cancelled, or that came too late."""
SKEW = 2_000
"""Milliseconds by which the clocks of two machines may differ."""
UNHEARD = 3_600_000
"""Milliseconds past its deadline after which a participant asks what came of an order."""
MEMORY = 7 * 86_400_000
"""Milliseconds for which refusals and cancels are remembered: longer than a broker keeps messages."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a participant answers: the code of its refusal, or an empty one."""

    refusal: str = ""


class Request(Protocol):
    """What a participant is asked; `deadline` (ms UTC) is when the order will have been decided."""

    @property
    def order_id(self) -> int:
        """The order that asks."""
        ...

    @property
    def deadline(self) -> int:
        """Milliseconds UTC."""
        ...


class Reservation(msgspec.Struct):
    """What one order has of one participant.

    `due_at` (ms UTC): TAKEN, when to ask what came of the order; REFUSED or CANCELLED, when to forget it.
    """

    order_id: int
    state: Literal["TAKEN", "REFUSED", "RETURNED", "CANCELLED"]
    taken: bytes
    answer: bytes
    at: int
    changed_at: int
    due_at: int | None


Q = TypeVar("Q", bound=Request)
T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A", bound=Answer)


class Reservations(Generic[T, A]):
    """The reservations of one participant: `taken` is what it stores for giving back, `answer` what it says."""

    def __init__(self, schema: Schema, taken: type[T], answer: type[A]) -> None:
        self.table = Table[Reservation, int](
            schema,
            "reservations",
            Reservation,
            key=("order_id",),
            indexes=(("state", "due_at"),),
            changing=("state", "changed_at", "due_at"),
        )
        self.answer = answer
        self._taken = msgspec.json.Decoder(taken)
        self._answers = msgspec.json.Decoder(answer)

    def begin(self, tx: Transaction, requests: Sequence[Q]) -> "Taking[Q, T, A]":
        """Locks the orders' rows and settles what needs no decision; iterate over what does."""
        return Taking(self, tx, requests, tx.lock(self.table, [request.order_id for request in requests]))

    def give_back(self, tx: Transaction, orders: Iterable[int]) -> dict[int, T]:
        """What these orders hold, by order id, now theirs no more; orders not seen are remembered as cancelled."""
        ids = list(dict.fromkeys(orders))
        known = tx.lock(self.table, ids)
        tx.insert(
            self.table,
            [Reservation(id, "CANCELLED", b"", b"", tx.now, tx.now, tx.now + MEMORY) for id in ids if id not in known],
        )
        returning = [row for row in known.values() if row.state == "TAKEN"]
        for row in returning:
            row.state, row.changed_at, row.due_at = "RETURNED", tx.now, None
        tx.update(self.table, returning)
        return {row.order_id: self.taken(row) for row in returning}

    def unheard(self, reader: Reader, limit: int) -> tuple[int, ...]:
        """Orders, at most `limit`, that hold something and should have been decided an hour ago."""
        where = {"state": "TAKEN"}
        return tuple(row.order_id for row in reader.due(self.table, "due_at", reader.now, limit, where))

    def forget(self, tx: Transaction, limit: int) -> int:
        """Deletes refusals and cancels that nobody can ask about any more; says how many."""
        gone = 0
        for state in ("REFUSED", "CANCELLED"):
            rows = tx.due(self.table, "due_at", tx.now, limit - gone, {"state": state})
            tx.delete(self.table, tx.lock(self.table, [row.order_id for row in rows]))
            gone += len(rows)
        return gone

    def taken(self, row: Reservation) -> T:
        """What the reservation holds."""
        return self._taken.decode(row.taken)

    def stored_answer(self, row: Reservation) -> A:
        """What was answered; an order cancelled before it asked is refused."""
        return self._answers.decode(row.answer) if row.answer else self.answer(refusal=CANCELLED)


class Taking(Generic[Q, T, A]):
    """One batch of requests on its way to its answers."""

    def __init__(
        self,
        reservations: Reservations[T, A],
        tx: Transaction,
        requests: Sequence[Q],
        known: dict[int, Reservation],
    ) -> None:
        self._reservations = reservations
        self._tx = tx
        self._requests = requests
        self._answers = {id: reservations.stored_answer(row) for id, row in known.items()}
        self._new: list[Reservation] = []
        self._undecided: list[Q] = []
        first: dict[int, Q] = {}
        for request in requests:
            first.setdefault(request.order_id, request)
        self._undecided.extend(request for request in first.values() if request.order_id not in self._answers)
        self._refuse_late()

    def __iter__(self) -> Iterator[Q]:
        """The requests to decide, each order once, in the order in which they came."""
        return iter(self._undecided)

    def accept(self, request: Q, taken: T, answer: A | None = None) -> None:
        """This order takes `taken`; the participant has written the effect, or will in this transaction."""
        due = request.deadline + UNHEARD
        self._decide(request, "TAKEN", msgspec.json.encode(taken), answer or self._reservations.answer(), due)

    def refuse(self, request: Q, refusal: str) -> None:
        """This order takes nothing."""
        self._decide(request, "REFUSED", b"", self._reservations.answer(refusal=refusal), self._tx.now + MEMORY)

    def answers(self) -> list[A]:
        """One answer for each request of the batch, in its order; stores the new reservations."""
        self._tx.insert(self._reservations.table, self._new)
        return [self._answers[request.order_id] for request in self._requests]

    def _refuse_late(self) -> None:
        on_time: list[Q] = []
        for request in self._undecided:
            if self._tx.now > request.deadline + SKEW:
                self.refuse(request, CANCELLED)
            else:
                on_time.append(request)
        self._undecided = on_time

    def _decide(self, request: Q, state: Literal["TAKEN", "REFUSED"], taken: bytes, answer: A, due: int | None) -> None:
        assert request.order_id not in self._answers, f"order {request.order_id} is decided twice"
        self._answers[request.order_id] = answer
        encoded = msgspec.json.encode(answer)
        now = self._tx.now
        self._new.append(Reservation(request.order_id, state, taken, encoded, now, now, due))
