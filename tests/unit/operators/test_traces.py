"""What waits or has failed around an order is found in every service."""

from makegood.engine.tables import SetAside, TaskRow
from makegood.operators.traces import SHOWN, listeners_of, traces
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import Books, Shop, Till


def _aside(number: int, body: bytes) -> SetAside:
    return SetAside("books", "till", f"e{number:04}", "took", "k", body, 1, 1, 2, None, "why")


@virtual
async def test_work_and_events_by_key(world: VirtualWorld) -> None:
    """Tasks under one of the keys are found, and set-aside events that name one as a number of its own."""
    shop = Shop(world)
    await shop.host.start()
    later = world.now() + 10_000_000
    rows = [TaskRow("print", key, "WAITING", b"{}", 2, 3, later, None, "why") for key in ("12", "123", "9")]
    bodies = (b'{"number":123}', b'{"number":1234}', b'{"other":"12"}', b"5123", b"\xff")
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.tasks, rows))
    await shop.databases["books"].write(
        lambda tx: tx.insert(Books.tables.set_aside, [_aside(at, body) for at, body in enumerate(bodies)])
    )
    found = await traces(shop.host.runtimes, ["12", "123"])
    assert [(one.service, one.kind, one.key, one.attempt, one.error) for one in found.work] == [
        ("till", "print", "12", 2, "why"),
        ("till", "print", "123", 2, "why"),
    ]
    assert [letter.body for letter in found.letters] == [bodies[0].decode(), bodies[2].decode()]
    assert found.complete
    assert found.listeners == listeners_of(shop.host.runtimes) == {"till: took": ("books",)}
    await shop.host.stop()


@virtual
async def test_what_is_looked_through_is_bounded(world: VirtualWorld) -> None:
    """With more set-aside events than are looked through the answer says so, and shows a few."""
    shop = Shop(world)
    await shop.host.start()
    aside = [_aside(at, b'{"number":7}') for at in range(1_001)]
    await shop.databases["books"].write(lambda tx: tx.insert(Books.tables.set_aside, aside))
    found = await traces(shop.host.runtimes, ["7"])
    assert (len(found.letters), found.complete) == (SHOWN, False)
    await shop.host.stop()
