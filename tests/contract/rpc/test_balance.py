"""Who is asked when several could answer."""

import asyncio
from collections import Counter

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.registry.port import Provider
from makegood.engine.rpc.triple import TripleCaller
from makegood.engine.rpc.triple.server import TripleServer
from makegood.engine.world import SystemWorld
from tests.contract.rpc.parrot import ECHO, HERE, INTERFACE, ROUTED, Flock, Parrot, Said, Say, handlers
from tests.contract.rpc.relay import relay_to


async def _by(flock: Flock, count: int) -> Counter[str]:
    return Counter([(await flock.say(str(number))).by for number in range(count)])


async def _ways(flock: Flock, keys: range) -> dict[str, str]:
    answers = await asyncio.gather(*[flock.say(str(key), ROUTED) for key in keys])
    return {answer.text: answer.by for answer in answers}


async def test_each_has_its_turn(flock: Flock) -> None:
    """Asked one after the other, equal providers are asked about equally often."""
    for who in "abc":
        await flock.join(Parrot(who))
    shares = await _by(flock, 90)
    assert sorted(shares) == ["a", "b", "c"]
    assert all(28 <= share <= 32 for share in shares.values())


async def test_weights(flock: Flock) -> None:
    """A provider's share of the questions is its share of the weights."""
    await flock.join(Parrot("heavy"), weight=300)
    await flock.join(Parrot("light"), weight=100)
    shares = await _by(flock, 100)
    assert shares.keys() == {"heavy", "light"}
    assert 72 <= shares["heavy"] <= 78


async def test_weight_zero(flock: Flock) -> None:
    """A provider of weight 0 is asked nothing while there is another one, however small its weight."""
    await flock.join(Parrot("little"), weight=1)
    await flock.join(Parrot("nothing"), weight=0)
    assert await _by(flock, 20) == {"little": 20}


async def test_weight_zero_as_last_resort(flock: Flock) -> None:
    """A provider of weight 0 is asked when there is no other."""
    await flock.join(Parrot("nothing"), weight=0)
    assert (await flock.say("hello")).by == "nothing"


async def test_busy_one_is_spared(flock: Flock) -> None:
    """Who has many unanswered questions is asked less than who has none."""
    await flock.join(Parrot("slow"))
    pending = [asyncio.create_task(flock.call(ECHO, Say("wait", seconds=1), Deadline.after(20))) for _ in range(50)]
    await asyncio.sleep(0.2)
    await flock.join(Parrot("free"))
    assert await _by(flock, 30) == {"free": 30}
    await asyncio.gather(*pending)


async def test_key_leads_to_one_process(flock: Flock) -> None:
    """Equal keys meet in one process; many keys spread over all by weight; who leaves takes only his own along."""
    doors = {who: await flock.join(Parrot(who), weight=weight) for who, weight in (("a", 100), ("b", 100), ("c", 200))}
    before = await _ways(flock, range(400))
    assert await _ways(flock, range(400)) == before
    shares = Counter(before.values())
    assert 70 <= shares["a"] <= 130
    assert 70 <= shares["b"] <= 130
    assert 160 <= shares["c"] <= 240
    await doors["a"].close()
    after = await _ways(flock, range(400))
    assert {key for key in before if before[key] != after[key]} == {key for key in before if before[key] == "a"}


async def test_callers_agree_on_the_key(flock: Flock) -> None:
    """Two processes send one key to the same provider."""
    for who in "abc":
        await flock.join(Parrot(who))
    other = TripleCaller(flock.registry, SystemWorld())
    ways = await _ways(flock, range(60))
    answers = [await other.call(ROUTED, Say(key), Deadline.after(5)) for key in ways]
    assert {answer.text: answer.by for answer in answers} == ways
    await other.close()


async def test_services_share_a_connection(flock: Flock) -> None:
    """Two services of one process are asked over one connection."""
    cockatoo = Operation("cockatoo", "Echo", Say, Said)
    parrot = Parrot("both")
    server = TripleServer(handlers(parrot) | {cockatoo: parrot.echo})
    async with relay_to(await server.start(HERE, 0)) as relay:
        for interface in (INTERFACE, "makegood.Cockatoo"):
            await flock.registry.register(interface, Provider(HERE, relay.port))
        assert (await flock.say("hello")).by == "both"
        assert (await flock.call(cockatoo, Say("hello"), Deadline.after(5))).by == "both"
        assert relay.connections == 1
        await flock.caller.close()
    await server.stop(1)


async def test_address_changes_its_services(flock: Flock) -> None:
    """A process at the address of one that is gone is asked for its own services, over the same link."""
    cockatoo = Operation("cockatoo", "Echo", Say, Said)
    first, provider = await flock.serve(Parrot("first"))
    await flock.registry.register("makegood.Cockatoo", provider)
    assert (await flock.say("hello")).by == "first"
    await first.stop(1)
    second = TripleServer({cockatoo: Parrot("second").echo})
    await second.start(HERE, provider.port)
    assert (await flock.call(cockatoo, Say("hello"), Deadline.after(10))).by == "second"
    await flock.caller.close()
    await second.stop(1)
