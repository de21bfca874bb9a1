"""Messages of a sequence take effect in their order: through the outbox, past failures, over restarts."""

import asyncio
from collections.abc import Sequence

import apsw
import msgspec
import pytest

from makegood.engine import sequences
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Message
from makegood.engine.contracts import Operation
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Transaction
from makegood.engine.dead_letters import DeadLetter, DeadLetters
from makegood.engine.deadline import Deadline
from makegood.engine.executor import InlineExecutor
from makegood.engine.host import Host
from makegood.engine.inbox import TRIES, groups_of
from makegood.engine.service import Service, listener, operation
from tests.support.faulty import Fault, FaultyBroker
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import TOOK, Taken, disk

LEDGER = Schema("ledger")


class Step(msgspec.Struct, frozen=True):
    """The `number`th change of an account."""

    account: str
    number: int


class Line(msgspec.Struct):
    """A step that took effect."""

    line: int
    account: str
    number: int


LINES = Table[Line, int](LEDGER, "lines", Line, key=("line",))
TELL = Operation("ledger", "Tell", Step, Step)


class Ledger(Service):
    """Tells itself of steps, and writes them down. It meets a bug at the numbers in `poison`."""

    name = "ledger"
    schema = LEDGER

    def __init__(self) -> None:
        self.poison: tuple[int, ...] = ()

    @operation(TELL)
    def tell(self, tx: Transaction, requests: Sequence[Step]) -> list[Step]:
        """Sends each step, in its account's sequence."""
        for step in requests:
            tx.send("steps", step, sequence=step.account)
        return list(requests)

    @listener("steps", payload=Step, ordered=True)
    def write(self, tx: Transaction, steps: Sequence[Step]) -> None:
        """Writes steps down."""
        for step in steps:
            if step.number in self.poison:
                raise ValueError(f"{step.number} is poison")
        tx.insert(LINES, [Line(tx.new_id(), step.account, step.number) for step in steps])


class House:
    """The ledger on databases in memory that outlive their host."""

    def __init__(self, world: VirtualWorld) -> None:
        self.world = world
        self._disk, self._broker_disk = disk(LEDGER), apsw.Connection(":memory:")
        self.made()

    def made(self) -> None:
        """A new process on the same disks."""
        self.ledger = Ledger()
        self.broker = FaultyBroker(EmbeddedBroker.open(self._broker_disk, self.world, InlineExecutor()), self.world)
        self.host = Host(
            [self.ledger],
            database=lambda _: SqliteDatabase.in_memory(self.world, InlineExecutor(), self._disk),
            broker=self.broker,
            world=self.world,
            compute=InlineExecutor(),
            alone=True,
        )

    async def tell(self, account: str, *numbers: int) -> None:
        """Sends these steps, each in a commit of its own."""
        for number in numbers:
            await self.host.call(TELL, Step(account, number), Deadline.after(30.0))

    def lines(self, account: str) -> list[int]:
        """What was written down of an account, in that order."""
        rows = self._disk.execute("SELECT number FROM lines WHERE account = ? ORDER BY line", (account,))
        return [row[0] for row in rows]

    async def letters(self) -> list[DeadLetter]:
        """All that is set aside."""
        return await DeadLetters(self.host.runtimes).page(None, 1_000)


@virtual
async def test_steps_are_heard_in_order(world: VirtualWorld) -> None:
    """Steps of several commits take effect in their order, each account's by itself, once."""
    house = House(world)
    await house.host.start()
    await house.tell("a", *range(40))
    await house.tell("b", 1, 2)
    await asyncio.sleep(5)
    assert house.lines("a") == list(range(40))
    assert house.lines("b") == [1, 2]
    assert all(message.sequence in ("a", "b") for message in house.broker.published)
    await house.host.stop()


@virtual
async def test_publishing_again_keeps_the_order(world: VirtualWorld) -> None:
    """Publishes that fail, before or after the broker has stored them, change neither order nor effect."""
    house = House(world)
    await house.host.start()
    house.broker.faults.coming.extend([Fault.REFUSED, Fault.UNANSWERED, Fault.UNANSWERED, Fault.NONE, Fault.UNANSWERED])
    for number in range(10):
        await house.tell("a", number)
        await asyncio.sleep(0.05)
    await asyncio.sleep(60)
    assert len(house.broker.published) > 10
    assert house.lines("a") == list(range(10))
    await house.host.stop()


@virtual
async def test_a_failing_step_holds_back_its_account(world: VirtualWorld) -> None:
    """While a step fails, the later ones of its account wait, untried, and then take effect in their order."""
    house = House(world)
    await house.host.start()
    house.ledger.poison = (2,)
    await asyncio.gather(house.tell("a", 1, 2, 3), house.tell("b", 1))
    await asyncio.sleep(5)
    await house.tell("a", 4, 5)
    await asyncio.sleep(5)
    assert (house.lines("a"), house.lines("b")) == ([1], [1])
    waiting = [letter for letter in await house.letters() if letter.error == sequences.BEHIND]
    assert len(waiting) == 3
    assert all(letter.tries == 0 and letter.next_at is not None for letter in waiting)
    house.ledger.poison = ()
    await asyncio.sleep(60)
    assert house.lines("a") == [1, 2, 3, 4, 5]
    assert await house.letters() == []
    await house.tell("a", 6)
    await asyncio.sleep(1)
    assert house.lines("a")[-1] == 6
    await house.host.stop()


@virtual
async def test_several_fail_in_turn(world: VirtualWorld) -> None:
    """A follower that fails when its turn comes holds back those behind it in the same way."""
    house = House(world)
    await house.host.start()
    house.ledger.poison = (1, 3)
    await house.tell("a", *range(6))
    await asyncio.sleep(5)
    house.ledger.poison = (3,)
    await asyncio.sleep(100)
    assert house.lines("a") == [0, 1, 2]
    house.ledger.poison = ()
    await asyncio.sleep(600)
    assert house.lines("a") == list(range(6))
    await house.host.stop()


@virtual
async def test_what_is_given_up_lets_others_pass(world: VirtualWorld) -> None:
    """A step that was given up, or that cannot be read, holds back nobody; replayed, it takes effect late."""
    house = House(world)
    await house.host.start()
    house.ledger.poison = (2,)
    await house.tell("a", 1, 2, 3)
    await house.broker.publish([Message("steps", "spoilt", b"{", sequence="a")])
    await house.tell("a", 4)
    await asyncio.sleep(4 * 3_600)
    assert house.lines("a") == [1, 3, 4]
    letters = {letter.tries: letter for letter in await house.letters()}
    assert set(letters) == {1, TRIES}
    assert all(letter.next_at is None for letter in letters.values())
    house.ledger.poison = ()
    assert await DeadLetters(house.host.runtimes).replay_all([letters[TRIES].id]) == [True]
    await asyncio.sleep(5)
    assert house.lines("a") == [1, 3, 4, 2]
    await house.host.stop()


@virtual
async def test_what_waits_survives_a_restart(world: VirtualWorld) -> None:
    """Steps that wait behind a failing one are still behind it in the next life."""
    house = House(world)
    await house.host.start()
    house.ledger.poison = (1,)
    await house.tell("a", 1, 2, 3)
    await asyncio.sleep(3)
    await house.host.stop()
    house.made()
    await house.host.start()
    await house.tell("a", 4)
    await asyncio.sleep(120)
    assert house.lines("a") == [1, 2, 3, 4]
    await house.host.stop()


class Both(Service):
    """An ordered listener that shares its group."""

    name = "both"
    schema = Schema("both")

    @listener("steps", payload=Step, ordered=True)
    def one(self, tx: Transaction, steps: Sequence[Step]) -> None:
        """Hears steps."""

    @listener(TOOK)
    def other(self, tx: Transaction, events: Sequence[Taken]) -> None:
        """Hears of sums."""


def test_what_cannot_be_ordered_is_refused() -> None:
    """An ordered listener has a group to itself, and is not idempotent."""
    with pytest.raises(ValueError, match="one of its own"):
        groups_of(Both)
    with pytest.raises(ValueError, match="idempotent"):
        listener("steps", payload=Step, ordered=True, idempotent=True)
