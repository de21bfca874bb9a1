"""Dead letters are listed in pages, and replayed one by one or many at once."""

import asyncio
from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from makegood.engine.dead_letters import DeadLetter, DeadLetters, Looked
from makegood.engine.inbox import NOBODY
from makegood.engine.tables import SetAside, TaskRow
from tests.support.virtual_time import VirtualWorld, run, virtual
from tests.unit.engine.tills import Books, Shop, Till


async def filled(world: VirtualWorld, events: int = 5, tasks: int = 4) -> Shop:
    """A shop with so many of each in the books and in the till, and others that are no dead letters."""
    shop = Shop(world)
    await shop.host.start()
    aside = [SetAside("books", "till", f"e{at}", "t", "k", b"\xff", 1, 1, 2, None, "why") for at in range(events)]
    given_up = [TaskRow("print", f"{at}", "GIVEN_UP", b"{}", 16, 3, None, None, "why") for at in range(tasks)]
    waiting = TaskRow("print", "x", "WAITING", b"{}", 1, 3, world.now() + 10_000_000, None, "")
    await shop.databases["books"].write(lambda tx: tx.insert(Books.tables.set_aside, aside))
    others = [msgspec.structs.replace(letter, group_name="zz") for letter in aside]
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.set_aside, others))
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.tasks, [*given_up, waiting]))
    return shop


@settings(deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 20))
def test_pages(events: int, tasks: int, limit: int) -> None:
    """Pages of any size show each dead letter once, in one order."""

    async def scenario(world: VirtualWorld) -> None:
        shop = await filled(world, events, tasks)
        letters = DeadLetters(shop.host.runtimes)
        found: list[DeadLetter] = []
        while page := await letters.page(found[-1].id if found else None, limit):
            assert len(page) <= limit
            found.extend(page)
        assert found == await letters.page(None, 1_000)
        assert [letter.service for letter in found] == ["books"] * events + ["till"] * (events + tasks)
        assert len({letter.id for letter in found}) == len(found)
        await shop.host.stop()

    run(scenario)


@virtual
async def test_fields(world: VirtualWorld) -> None:
    """A dead letter says what failed, how often, when, why, and what its body was, be it no text."""
    shop = await filled(world, 1, 1)
    event, _, task = await DeadLetters(shop.host.runtimes).page(None, 10)
    assert (event.topic, event.tag, event.key, event.tries, event.first_at, event.last_at) == (
        "till",
        "t",
        "k",
        1,
        1,
        2,
    )
    assert (event.next_at, event.error, event.body) == (None, "why", "\ufffd")
    assert (task.topic, task.tag, task.key, task.tries, task.error) == ("print", "task", "0", 16, "why")
    await shop.host.stop()


@virtual
async def test_replay_of_nothing(world: VirtualWorld) -> None:
    """Replaying what is gone, or what another service would have, says that it is not there."""
    shop = await filled(world, 1, 1)
    letters = DeadLetters(shop.host.runtimes)
    ids = [letter.id for letter in await letters.page(None, 10)]
    assert await letters.replay_all(ids) == [True, True, True]
    await shop.databases["books"].write(lambda tx: tx.discard(Books.tables.set_aside, [("books", "till", "e0")]))
    assert await letters.replay_all([ids[0]]) == [False]
    assert await DeadLetters({}).replay_all([ids[0]]) == [False]
    await shop.host.stop()


@virtual
async def test_replay_of_many(world: VirtualWorld) -> None:
    """Letters of one service and kind are replayed in one commit; each id has its own answer, also one asked twice."""
    shop = await filled(world, 40, 40)
    letters = DeadLetters(shop.host.runtimes)
    ids = [letter.id for letter in await letters.page(None, 1_000)]
    await shop.databases["books"].write(lambda tx: tx.discard(Books.tables.set_aside, [("books", "till", "e7")]))
    gone = next(id for id, one in zip(ids, await letters.look(ids), strict=True) if one.outcome == "gone")
    commits = {name: one.execution.commits for name, one in shop.host.runtimes.items()}
    asked = [*reversed(ids), ids[0], ids[-1], gone]
    assert await letters.replay_all(asked) == [id != gone for id in asked]
    made = {name: one.execution.commits - commits[name] for name, one in shop.host.runtimes.items()}
    assert made == {"books": 1, "till": 2}
    assert await DeadLetters({}).replay_all(ids) == [False] * len(ids)
    await shop.host.stop()


@virtual
async def test_replay_of_many_with_nonsense(world: VirtualWorld) -> None:
    """When one of them is no id, none is replayed."""
    shop = await filled(world, 2, 2)
    letters = DeadLetters(shop.host.runtimes)
    before = await letters.page(None, 10)
    with pytest.raises(ValueError, match="is no dead letter's id"):
        await letters.replay_all([*(letter.id for letter in before), "nonsense"])
    assert await letters.page(None, 10) == before
    await shop.host.stop()


@virtual
async def test_what_became_of_an_event_without_a_listener(world: VirtualWorld) -> None:
    """Replayed, an event that nobody in its group listens to has failed, and says so: it does not wait for ever."""
    shop = await filled(world, 1, 0)
    letters = DeadLetters(shop.host.runtimes)
    [letter] = await letters.page(None, 10, "books")
    assert await letters.replay_all([letter.id]) == [True]
    await asyncio.sleep(5)
    [looked] = await letters.look([letter.id])
    assert looked.letter is not None
    assert (looked.outcome, looked.letter.error, looked.letter.next_at) == ("failed", NOBODY, None)
    await shop.host.stop()


@virtual
async def test_letters_of_a_group(world: VirtualWorld) -> None:
    """A service's letters, or a group's, are listed by themselves; a task's group is its service."""
    shop = await filled(world, 3, 2)
    letters = DeadLetters(shop.host.runtimes)
    for service, group, wanted in (
        ("books", None, 3),
        ("till", None, 5),
        ("till", "till", 2),
        ("till", "zz", 3),
        (None, "zz", 3),
        (None, "books", 3),
        ("books", "till", 0),
        ("nobody", None, 0),
    ):
        assert len(await letters.page(None, 10, service, group)) == wanted, (service, group)
    first = await letters.page(None, 2, None, "zz")
    rest = await letters.page(first[-1].id, 2, None, "zz")
    assert [one.id for one in (*first, *rest)] == [one.id for one in await letters.page(None, 10, "till", "zz")]
    await shop.host.stop()


@virtual
async def test_what_became_of_a_replayed_event(world: VirtualWorld) -> None:
    """It waits, has failed again with its reason, and is gone once it took effect."""
    shop = Shop(world)
    await shop.host.start()
    letters = DeadLetters(shop.host.runtimes)
    shop.books.poison = (7,)
    await shop.take(7)
    await shop.until(lambda: len(shop.rows("books", "set_aside")) == 1)
    [letter] = await letters.page(None, 10)
    assert [one.outcome for one in await letters.look([letter.id])] == ["failed"]
    assert await letters.replay_all([letter.id]) == [True]
    assert [one.outcome for one in await letters.look([letter.id])] == ["waiting"]
    await asyncio.sleep(2)
    [failed] = await letters.look([letter.id])
    assert failed.letter is not None
    assert (failed.outcome, failed.letter.error.endswith("7 is poison")) == ("failed", True)
    shop.books.poison = ()
    assert await letters.replay_all([letter.id]) == [True]
    await shop.until(lambda: shop.entries() == [7])
    assert await letters.look([letter.id, letter.id]) == [Looked("gone"), Looked("gone")]
    await shop.host.stop()


@virtual
async def test_what_became_of_a_replayed_task(world: VirtualWorld) -> None:
    """It waits while it runs, and is gone once it is done."""
    shop = Shop(world)
    shop.till.print_seconds = 5.0
    await shop.host.start()
    letters = DeadLetters(shop.host.runtimes)
    row = TaskRow("print", "1", "GIVEN_UP", b'{"number":1}', 16, 3, None, None, "why")
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.tasks, [row]))
    [letter] = await letters.page(None, 10)
    assert [one.outcome for one in await letters.look([letter.id])] == ["failed"]
    assert await letters.replay_all([letter.id]) == [True]
    await asyncio.sleep(3)
    assert [one.outcome for one in await letters.look([letter.id])] == ["waiting"]
    await shop.until(lambda: shop.prints() == [1])
    assert await letters.look([letter.id]) == [Looked("gone")]
    await shop.host.stop()


@virtual
async def test_looking_at_nonsense(world: VirtualWorld) -> None:
    """What is no id is refused; the id of a service that is not here is gone."""
    shop = await filled(world, 1, 0)
    [letter, *_] = await DeadLetters(shop.host.runtimes).page(None, 10)
    with pytest.raises(ValueError, match="is no dead letter's id"):
        await DeadLetters(shop.host.runtimes).look([letter.id, "nonsense"])
    assert await DeadLetters({}).look([letter.id]) == [Looked("gone")]
    await shop.host.stop()


@settings(deadline=None)
@given(st.text())
@example("%%%")
@example("W10")
@example("eyJhIjoxfQ")
@example("WyJ0aWxsIiwiY2F0Il0")
@example("é")
def test_foreign_ids(id: str) -> None:
    """Whatever is no dead letter's id is refused with ValueError, or is not there; nothing breaks."""

    async def scenario(world: VirtualWorld) -> None:
        shop = Shop(world)
        await shop.host.start()
        with suppress(ValueError):
            assert await DeadLetters(shop.host.runtimes).replay_all([id]) == [False]
        await shop.host.stop()

    run(scenario)


@virtual
async def test_position_of_nonsense(world: VirtualWorld) -> None:
    """A page behind what is no id is refused."""
    shop = await filled(world)
    with pytest.raises(ValueError, match="is no dead letter's id"):
        await DeadLetters(shop.host.runtimes).page("nonsense", 10)
    await shop.host.stop()
