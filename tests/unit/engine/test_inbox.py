"""An event takes effect once; the failing ones are set aside, retried, buried and replayed."""

import asyncio
import itertools
import logging
from collections.abc import Sequence

import msgspec

from makegood.engine import inbox
from makegood.engine.broker.port import Message
from makegood.engine.database.transaction import Transaction
from makegood.engine.dead_letters import DeadLetter, DeadLetters
from makegood.engine.inbox import MEMORY, NOBODY, TRIES
from makegood.engine.runtime import PRUNE_AFTER
from makegood.engine.service import ListenerSpec, listener
from makegood.engine.tables import Inbox, SetAside
from tests.support.faulty import Fault
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import ENTRIES, TOOK, Books, Entry, Shop, Taken


def took(*numbers: int, key: str = "") -> Message:
    """A message with these events, which have the same ids each time."""
    envelopes = b",".join(b'{"id":"e%d","at":1,"data":{"number":%d}}' % (number, number) for number in numbers)
    return Message("till", f"m{numbers}", b"[" + envelopes + b"]", "took", key)


async def started(world: VirtualWorld) -> Shop:
    """A shop that runs."""
    shop = Shop(world)
    await shop.host.start()
    return shop


async def letters(shop: Shop) -> list[DeadLetter]:
    """All that is set aside or given up."""
    return await DeadLetters(shop.host.runtimes).page(None, 1_000)


@virtual
async def test_repeats(world: VirtualWorld) -> None:
    """An event takes effect once, whether it comes twice in a message, in two at once, or long after."""
    shop = await started(world)
    await shop.broker.publish([took(1, 1), took(1, 2), took(2)])
    await shop.until(lambda: shop.entries() == [1, 2], seconds=1)
    await asyncio.sleep(60)
    await shop.broker.publish([took(1, 2, 3)])
    await shop.until(lambda: shop.entries() == [1, 2, 3], seconds=1)
    assert shop.books.heard == [1, 2, 3]
    await shop.host.stop()


@virtual
async def test_take_again_after_lost_commit(world: VirtualWorld) -> None:
    """A commit whose answer is lost, and an acknowledgement that is lost, give an event no second effect."""
    shop = await started(world)
    shop.databases["books"].faults.coming.append(Fault.UNANSWERED)
    shop.broker.faults.coming.extend([Fault.NONE, Fault.REFUSED])
    await shop.broker.publish([took(1, 2)])
    await asyncio.sleep(100)
    assert shop.entries() == [1, 2]
    await shop.host.stop()


@virtual
async def test_messages_that_are_none(world: VirtualWorld) -> None:
    """A message without an id, or with one that is too long, is listed for people, not taken for ever."""
    shop = await started(world)
    group = shop.host.runtimes["books"].groups["books"]
    nameless = Message("till", "", b"not an array", "took")
    endless = Message("till", "i" * 5_000, b"not an array", "took", "k" * 5_000, sequence="s" * 5_000)
    for _ in range(2):
        await group.take([nameless, took(1), endless])
    assert shop.entries() == [1]
    found = {letter.error.split(":")[0]: letter for letter in await letters(shop)}
    assert len(found) == len(await letters(shop)) == 2
    assert all(letter.next_at is None and letter.body == "not an array" for letter in found.values())
    assert all(len(str(row[2])) <= 64 for row in shop.rows("books", "set_aside"))
    await shop.host.stop()


@virtual
async def test_failing_event_is_set_aside(world: VirtualWorld) -> None:
    """An event whose listener raises does not hold up its neighbours, and takes effect when the bug is gone."""
    shop = await started(world)
    shop.books.poison = (2,)
    await shop.take(1, 2, 3)
    await shop.until(lambda: shop.entries() == [1, 3], seconds=1)
    await asyncio.sleep(10)
    [letter] = await letters(shop)
    assert (letter.service, letter.group, letter.topic, letter.tag) == ("books", "books", "till", "took")
    assert letter.tries > 2
    assert "2 is poison" in letter.error
    assert letter.next_at is not None
    shop.books.poison = ()
    await shop.until(lambda: shop.entries() == [1, 2, 3], seconds=60)
    assert await letters(shop) == []
    await shop.host.stop()


@virtual
async def test_burial_and_replay(world: VirtualWorld) -> None:
    """After sixteen tries with growing pauses an event is buried; replayed, it is tried at once and sixteen times."""
    shop = await started(world)
    shop.books.poison = (1,)
    await shop.take(1)
    times: list[float] = []
    while len(times) < TRIES:
        await shop.until(lambda: len(shop.books.heard) > len(times), step=1.0)
        times.append(asyncio.get_running_loop().time())
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] < 3
    assert 400 < pauses[-1] < 800
    await asyncio.sleep(800)
    [letter] = await letters(shop)
    assert (len(shop.books.heard), letter.tries, letter.next_at) == (TRIES, TRIES, None)
    assert await DeadLetters(shop.host.runtimes).replay_all([letter.id]) == [True]
    await shop.until(lambda: len(shop.books.heard) == TRIES + 1, seconds=2)
    shop.books.poison = ()
    await shop.until(lambda: shop.entries() == [1], seconds=10)
    assert await DeadLetters(shop.host.runtimes).replay_all([letter.id]) == [False]
    await shop.host.stop()


@virtual
async def test_tries_survive_a_restart(world: VirtualWorld) -> None:
    """A restart neither forgets a set-aside event nor its tries."""
    shop = await started(world)
    shop.books.poison = (1,)
    await shop.take(1)
    await asyncio.sleep(5)
    [before] = await letters(shop)
    shop.die()
    shop.made()
    shop.books.poison = (1,)
    await shop.host.start()
    await asyncio.sleep(20)
    [after] = await letters(shop)
    assert after.tries > before.tries >= 2
    await shop.host.stop()


@virtual
async def test_database_away_is_no_try(world: VirtualWorld) -> None:
    """While a service's database is away nothing is set aside and nothing lost, however long that takes."""
    shop = await started(world)
    shop.databases["books"].faults.away = True
    await shop.take(1, 2)
    await asyncio.sleep(600)
    shop.databases["books"].faults.away = False
    await shop.until(lambda: shop.entries() == [1, 2], seconds=60)
    assert await letters(shop) == []
    assert shop.broker.delivered == 1
    await shop.host.stop()


@virtual
async def test_redelivery_of_a_set_aside_event(world: VirtualWorld) -> None:
    """An event that waits set aside and comes again has one effect and one place."""
    shop = await started(world)
    shop.books.poison = (1,)
    await shop.broker.publish([took(1)])
    await shop.until(lambda: shop.books.heard != [], seconds=1)
    await shop.broker.publish([took(1)])
    await asyncio.sleep(1.5)
    assert len(await letters(shop)) == 1
    shop.books.poison = ()
    await shop.broker.publish([took(1)])
    await asyncio.sleep(60)
    assert (shop.entries(), await letters(shop)) == ([1], [])
    await shop.host.stop()


@virtual
async def test_undecodable(world: VirtualWorld) -> None:
    """What cannot be decoded is buried at once, whole or event by event, and the rest takes effect."""
    shop = await started(world)
    bodies = [b"no json", b'[{"id":"a","at":1,"data":{"number":"x"}},{"id":"b","at":1,"data":{"number":7}}]']
    bodies += [b'[{"id":"","at":1,"data":{"number":8}}]', b'[{"id":"%s","at":1,"data":{"number":9}}]' % (b"x" * 65)]
    await shop.broker.publish([Message("till", f"m{at}", body, "took") for at, body in enumerate(bodies)])
    await shop.until(lambda: shop.entries() == [7], seconds=1)
    await asyncio.sleep(60)
    found = await letters(shop)
    assert [(letter.tries, letter.next_at) for letter in found] == [(1, None)] * 4
    assert {"no json", '{"number":"x"}'} < {letter.body for letter in found}
    await shop.host.stop()


@virtual
async def test_long_key_of_another_program(world: VirtualWorld) -> None:
    """A message whose key is longer than ours takes effect, and is set aside with as much of it as fits."""
    shop = await started(world)
    shop.books.poison = (2,)
    group = shop.host.runtimes["books"].groups["books"]
    await group.take([took(1, 2, key="k" * 500)])
    assert shop.entries() == [1]
    assert [letter.key for letter in await letters(shop)] == ["k" * 128]
    await shop.host.stop()


@virtual
async def test_error_that_no_database_takes(world: VirtualWorld) -> None:
    """An error with half a surrogate pair, or of any length, is stored all the same."""
    shop = await started(world)
    execution = shop.host.runtimes["books"].execution

    def fail(_service: Books, _tx: Transaction, _events: Sequence[Taken]) -> None:
        raise ValueError("\ud800" + "x" * 100_000)

    spec = ListenerSpec("till", "took", Taken, None, fail, idempotent=False, batched=True)
    listening = inbox.Listening(shop.books, "books", spec, Books.tables)
    failing = inbox.InboxOfGroup("books", [listening], Books.tables, execution, world)
    logging.disable()  # half a pair in what is logged would end a parallel test run, whose reports cannot carry it
    try:
        await failing.take([took(1)])
    finally:
        logging.disable(logging.NOTSET)
    [letter] = await letters(shop)
    assert len(letter.error) <= 2_000
    await shop.host.stop()


@virtual
async def test_two_processes_try_at_once(world: VirtualWorld) -> None:
    """When two processes try a set-aside event at the same moment, that is one try."""
    shop = await started(world)
    shop.books.poison = (1,)
    await shop.take(1)
    await shop.until(lambda: shop.rows("books", "set_aside") != [], seconds=1)
    group, database = shop.host.runtimes["books"].groups["books"], shop.databases["books"]
    [row] = await database.read(lambda reader: reader.page(Books.tables.set_aside, limit=1))
    world.advance(2_000)
    database.delay = 0.01
    assert await asyncio.gather(group.retry(row), group.retry(row)) == [False, False]
    assert [letter.tries for letter in await letters(shop)] == [2]
    await shop.host.stop()


@virtual
async def test_nobody_listens_any_more(world: VirtualWorld) -> None:
    """Set-aside events that nobody listens to any more are buried, and keep no others from their retry."""
    shop = await started(world)
    shop.books.poison = (1,)
    gone = SetAside("books", "till", "x", "old-tag", "", b"{}", 1, 0, 0, 0, "was a bug")
    stray = msgspec.structs.replace(gone, group_name="closed", tag="took")
    rows = [msgspec.structs.replace(gone, event_id=f"g{number}") for number in range(100)]
    rows += [msgspec.structs.replace(stray, event_id=f"s{number}") for number in range(100)]
    await shop.databases["books"].write(lambda tx: tx.insert(Books.tables.set_aside, rows))
    await shop.take(1)
    await asyncio.sleep(2)
    shop.books.poison = ()
    await shop.until(lambda: shop.entries() == [1], seconds=10)
    found = await letters(shop)
    assert [(letter.next_at, letter.error) for letter in found] == [(None, NOBODY)] * 200
    await shop.host.stop()


@virtual
async def test_prune(world: VirtualWorld) -> None:
    """The inbox forgets what is older than any broker keeps, nothing younger, and nothing soon after the start."""
    shop = await started(world)
    old = [Inbox("books", "till", f"old{number}", world.now() - MEMORY) for number in range(600)]
    young = [Inbox("books", "till", "young", world.now() - MEMORY + PRUNE_AFTER + 120_000)]
    await shop.databases["books"].write(lambda tx: tx.insert(Books.tables.inbox, [*old, *young]))
    await asyncio.sleep(PRUNE_AFTER / 1000 - 60)
    assert len(shop.rows("books", "inbox")) == 601
    await asyncio.sleep(121)
    assert [row[2] for row in shop.rows("books", "inbox")] == ["young"]
    await shop.host.stop()


class Ledger(Books):
    """Books that hear texts too, and events whose effect has a key of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.raw: list[bytes] = []

    @listener(TOOK, idempotent=True)
    def enter_once(self, tx: Transaction, events: Sequence[Taken]) -> None:
        """One line for each number."""
        known = tx.lock(ENTRIES, [event.number for event in events])
        fresh = dict.fromkeys(event.number for event in events if event.number not in known)
        tx.insert(ENTRIES, [Entry(number, number) for number in fresh])

    @listener("letters", payload=str, tag="text")
    def read(self, _tx: Transaction, texts: Sequence[str]) -> None:
        """Reads."""
        self.texts.extend(texts)

    @listener("letters", payload=bytes, tag="raw")
    def keep(self, _tx: Transaction, raw: Sequence[bytes]) -> None:
        """Keeps."""
        self.raw.extend(raw)


@virtual
async def test_idempotent_listener(world: VirtualWorld) -> None:
    """An idempotent listener hears repeats, and costs no inbox row."""
    shop = await started(world)
    execution = shop.host.runtimes["books"].execution
    [spec] = [spec for spec in Ledger.specs(ListenerSpec) if spec.idempotent]
    group = inbox.InboxOfGroup(
        "books", [inbox.Listening(Ledger(), "books", spec, Books.tables)], Books.tables, execution, world
    )
    await group.take([took(1, 2), took(2)])
    await group.take([took(1)])
    assert (shop.entries(), shop.rows("books", "inbox")) == ([1, 2], [])
    await shop.host.stop()


@virtual
async def test_messages_of_no_event(world: VirtualWorld) -> None:
    """Each message sent to a topic is one payload, as its listener's type wants it, and takes effect once."""
    shop = await started(world)
    ledger = Ledger()
    execution = shop.host.runtimes["books"].execution
    specs = [spec for spec in Ledger.specs(ListenerSpec) if spec.topic == "letters"]
    listenings = [inbox.Listening(ledger, "books", spec, Books.tables) for spec in specs]
    group = inbox.InboxOfGroup("books", listenings, Books.tables, execution, world)
    text, raw = Message("letters", "1", "你好".encode(), "text"), Message("letters", "2", b"\xff", "raw")
    await group.take([text, raw, Message("letters", "3", b"\xff", "text")])
    await group.take([raw, text])
    assert (ledger.texts, ledger.raw) == (["你好"], [b"\xff"])
    assert [letter.next_at for letter in await letters(shop)] == [None]
    await shop.host.stop()
