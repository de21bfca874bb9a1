"""The embedded broker in a process that is killed with -9: what was promised before still holds."""

import asyncio
import sys
from pathlib import Path

import pytest

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Delivery, Message
from makegood.engine.executor import InlineExecutor
from makegood.engine.world import SystemWorld
from tests.support.world import ManualWorld
from tests.unit.engine import broker_child

ALL = frozenset[str]()


async def kill_after(path: Path, what: str, promises: int) -> set[str]:
    """What a child had promised when it was killed: at least so many."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, broker_child.__file__, str(path), what, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout
    promised: set[str] = set()
    async with asyncio.timeout(60):
        assert await child.stdout.readline() == b"ready\n"
        while len(promised) < promises:
            promised.update((await child.stdout.readline()).decode().split())
        child.kill()
        lines = (await child.stdout.read()).decode().split("\n")
        await child.wait()
    promised.update(" ".join(lines[:-1]).split())  # a line cut short was not said
    return promised


async def filled(path: Path, count: int) -> set[str]:
    """A store with messages that the group has not got."""
    broker = EmbeddedBroker.open(path, SystemWorld(), InlineExecutor())
    await broker.subscribe("points", {"orders": ALL})
    ids = [f"m{number}" for number in range(count)]
    await broker.publish([Message(topic="orders", message_id=one, body=b"b" * 200) for one in ids])
    await broker.close()
    return set(ids)


async def remaining(path: Path, world: ManualWorld | SystemWorld) -> list[Delivery]:
    """What the group gets after the crash."""
    broker = EmbeddedBroker.open(path, world, InlineExecutor())
    group = await broker.subscribe("points", {"orders": ALL})
    found: list[Delivery] = []
    while deliveries := await group.receive(500, 0):
        found += deliveries
        await group.acknowledge(deliveries)
    await broker.close()
    return found


@pytest.mark.parametrize("promises", [1, 300])
async def test_killed_while_publishing(tmp_path: Path, promises: int) -> None:
    """Every message whose publish returned is there after a kill, whole, and none twice."""
    promised = await kill_after(tmp_path / "broker.db", "publish", promises)
    found = await remaining(tmp_path / "broker.db", SystemWorld())
    ids = [delivery.message.message_id for delivery in found]
    assert promised <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(delivery.message.body == delivery.message.message_id.encode() * 50 for delivery in found)
    unpromised = set(ids) - promised
    assert len(unpromised) <= 2 * 3 * broker_child.PUBLISHERS  # what was on its way


async def test_killed_while_acknowledging(tmp_path: Path) -> None:
    """What was written as acknowledged never comes again, and all that was not acknowledged does."""
    everything = await filled(tmp_path / "broker.db", 5000)
    promised = await kill_after(tmp_path / "broker.db", "acknowledge", 500)
    found = [delivery.message.message_id for delivery in await remaining(tmp_path / "broker.db", SystemWorld())]
    assert len(found) == len(set(found))
    assert not promised & set(found)
    lost = everything - promised - set(found)
    assert len(lost) <= 2 * 60  # acknowledged and written, but not said any more


async def test_killed_with_deferred_ones(tmp_path: Path) -> None:
    """Deferred messages come after a kill when it is their time, with their attempt; the others come at once."""
    everything = await filled(tmp_path / "broker.db", 900)
    promised = await kill_after(tmp_path / "broker.db", "defer", 50)
    at_once = {one.message.message_id for one in await remaining(tmp_path / "broker.db", SystemWorld())}
    assert not promised & at_once
    later = ManualWorld(SystemWorld().now() + round(broker_child.DEFERRED * 1000))
    found = await remaining(tmp_path / "broker.db", later)
    assert {delivery.message.message_id for delivery in found} == everything - at_once
    assert {delivery.attempt for delivery in found} == {2}
