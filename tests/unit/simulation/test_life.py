"""Machines and the processes that live on them: how they die, and start again."""

import asyncio
import gc
from itertools import pairwise

import pytest

from makegood.engine.database.ids import IdSource
from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.reservations import SKEW
from makegood.simulation.faults import Fault
from makegood.simulation.life import LONGEST_FREEZE, LONGEST_PAUSE, MOST_SKEW, SHORTEST_PAUSE, Killed, Life, Moment
from makegood.simulation.world import World
from tests.unit.simulation.laboratory import dying, live, machine, make, seeds_dying, started, sure

MOMENTS = [moment for moment in Moment if moment is not Moment.WAIT]


def told(world: World, what: str) -> list[tuple[float, str]]:
    """When this happened, and to whom."""
    return [(noted.at, noted.who) for noted in world.trace.kept if noted.what == what]


async def ticking(life: Life, ticks: list[str], seconds: float = 0.1) -> None:
    """Tells every now and then that the life goes on."""
    while True:
        ticks.append(str(life))
        await asyncio.sleep(seconds)


def test_what_dies_starts_again() -> None:
    """A process that dies is followed by the next life of its machine, after a pause."""
    world = make()

    async def scenario() -> None:
        one = machine(world)
        for number in range(1, 30):
            life = await started(one)
            assert (str(life), life.number, one.lives) == (f"machine#{number}", number, number)
            died = world.loop.time()
            life.dies(Moment.VERB)
            assert one.life is None
            assert one.node is None
            await started(one)
            pause = world.loop.time() - died
            assert SHORTEST_PAUSE <= pause <= LONGEST_PAUSE + 0.01

    live(world, scenario())
    assert [who for _, who in told(world, "dies")] == [f"machine#{number}" for number in range(1, 30)]


def test_nobody_starts_in_a_world_that_has_ended() -> None:
    """When a world has ended its machines stay as they are."""
    world = make()

    async def scenario() -> int:
        one = machine(world)
        (await started(one)).dies(Moment.WAIT)
        world.ended = True
        await asyncio.sleep(2 * LONGEST_PAUSE)
        return one.lives

    assert live(world, scenario()) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_death_at_each_moment(moment: Moment) -> None:
    """A process that is to die at a moment of one kind reaches that one, no other, and only in its own life."""
    world = dying(moment)

    async def scenario() -> None:
        one = machine(world)
        life = await started(one)
        assert [kind for kind in Moment if life.expects(kind)] == [moment]
        assert [kind for kind in Moment if life.reaches(kind)] == [moment]
        assert isinstance(life.dies(moment), Killed)
        assert not life.alive
        after = await started(one)
        assert not any(after.expects(kind) or after.reaches(kind) for kind in Moment)

    live(world, scenario())
    assert [noted.detail for noted in world.trace.kept if noted.what == "dies"] == [moment]


def test_death_where_it_waits() -> None:
    """A process whose moment is where it waits dies there, without a word, and starts again."""
    world, ticks, ended = dying(Moment.WAIT), list[str](), list[str]()

    async def boot(life: Life) -> object:
        try:
            await ticking(life, ticks)
        finally:
            ended.append(str(life))

    async def scenario() -> None:
        machine(world, boot).begin()
        await asyncio.sleep(20.0)
        assert ended == []

    live(world, scenario())
    assert ticks == ["machine#2"] * len(ticks) != []
    assert [who for _, who in told(world, "dies")] == ["machine#1"]


def test_later_moments_are_as_likely_as_early_ones() -> None:
    """Over many lives every kind of moment is somebody's last, some of them early, some late."""
    world = make(rates=sure(Fault.DEATH))
    reached: dict[Moment, list[int]] = {moment: [] for moment in Moment}
    for number in range(1, 400):
        life = Life(machine(world), number, world)
        [moment] = [kind for kind in Moment if life.expects(kind)]
        reached[moment].append(
            life.steps if moment is Moment.WAIT else next(at for at in range(1, 9_999) if life.reaches(moment))
        )
    world.loop.close()
    for moment, numbers in reached.items():
        assert min(numbers) == 1 or moment is Moment.WAIT
        assert max(numbers) > 8
    assert max(reached[Moment.WAIT]) > 300 > 30 > min(reached[Moment.WAIT])


def test_nobody_dies_when_the_faults_are_over() -> None:
    """A death that was to come does not come once nothing fails any more."""
    for moment in Moment:
        world, ticks = dying(moment), list[str]()

        async def scenario(world: World = world, moment: Moment = moment, ticks: list[str] = ticks) -> None:
            life = Life(machine(world), 1, world)
            assert life.expects(moment)
            world.faults.stop()
            assert not life.expects(moment)
            assert not life.reaches(moment)
            life.spawn(ticking(life, ticks), "ticking")
            await asyncio.sleep(5.0)
            assert life.alive

        live(world, scenario())
        assert len(ticks) >= 50


def test_a_dead_process_has_no_effect() -> None:
    """What a dead process would still do raises Killed, which nothing but the end of a step can catch."""
    world = make()

    async def scenario() -> None:
        life = await started(machine(world))
        life.check()
        life.dies(Moment.VERB)
        with pytest.raises(Killed):
            life.check()

    live(world, scenario())
    assert not issubclass(Killed, Exception)


def test_others_notice_a_death() -> None:
    """Who asked to be told of a death is told once, in the order of asking."""
    world, heard = make(), list[str]()

    async def scenario() -> None:
        life = await started(machine(world))
        life.on_death(lambda: heard.append("first"))
        life.on_death(lambda: heard.append("second"))
        assert heard == []
        life.dies(Moment.VERB)

    live(world, scenario())
    assert heard == ["first", "second"]


def test_a_process_that_cannot_start_gives_up() -> None:
    """What the engine refuses to start dies with the reason, and is tried again."""
    world = make()

    async def boot(life: Life) -> object:
        if life.number < 3:
            raise DatabaseUnavailable("not yet")
        return life

    async def scenario() -> None:
        one = machine(world, boot)
        assert (await started(one)).number == 3

    live(world, scenario())
    reasons = [noted.detail for noted in world.trace.kept if noted.what == "dies"]
    assert reasons == ["could not start: not yet"] * 2


def test_the_tasks_of_the_dead_stay_as_they_are() -> None:
    """Nobody refers to a dead process's task any more, and it is still not closed: `kill -9` cleans up nothing."""
    world, cleaned = make(), list[str]()

    async def waits() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append("closed")

    async def scenario() -> None:
        life = await started(machine(world))
        life.spawn(waits(), "waits")
        await asyncio.sleep(1.0)
        life.dies(Moment.VERB)
        await asyncio.sleep(10.0)
        gc.collect()
        assert cleaned == []

    live(world, scenario())


def test_clocks_differ_within_bounds() -> None:
    """Every machine's clock is off by less than half the skew that the shop allows, where clocks are set at all."""
    assert machine(make()).skew == 0
    world = make(rates=sure(Fault.CLOCK_SET))
    skews = {name: machine(world, name=name).skew for name in map(str, range(200))}
    world.loop.close()
    assert all(-MOST_SKEW <= skew <= MOST_SKEW for skew in skews.values())
    assert max(skews.values()) - min(skews.values()) > MOST_SKEW
    assert len(set(skews.values())) > 100
    assert 2 * MOST_SKEW <= SKEW


def test_a_clock_goes_with_the_world() -> None:
    """A process sees the world's time, off by its machine's skew, until the clock is set."""
    world = make(rates=sure(Fault.CLOCK_SET))

    async def scenario() -> set[int]:
        one = machine(world)
        life = await started(one)
        offs: set[int] = set()
        for _ in range(20):
            await asyncio.sleep(1.0)
            assert life.now() == world.now() + one.skew
            assert abs(one.skew) <= MOST_SKEW
            offs.add(one.skew)
        world.faults.stop()
        await asyncio.sleep(1.0)
        last = one.skew
        await asyncio.sleep(10.0)
        assert one.skew == last
        return offs

    assert len(live(world, scenario())) > 10


def test_a_process_stands_still() -> None:
    """A frozen process does nothing for a while and then goes on, as the same life."""
    world, at = make(1, sure(Fault.FREEZE), "freeze-1"), list[float]()

    async def boot(life: Life) -> object:
        async def tick() -> None:
            while True:
                at.append(world.loop.time())
                await asyncio.sleep(0.1)

        life.spawn(tick(), "ticking")
        return object()

    async def scenario() -> None:
        one = machine(world, boot)
        one.begin()
        await asyncio.sleep(30.0)
        assert one.lives == 1

    live(world, scenario())
    [stood] = told(world, "stands still")
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert sorted(gaps)[-2] < 0.11 < max(gaps) <= LONGEST_FREEZE + 0.1
    assert at[gaps.index(max(gaps))] <= stood[0] <= at[gaps.index(max(gaps)) + 1]


def test_chance_comes_from_the_seed_and_the_life() -> None:
    """The same life of the same world draws the same; another machine, life or seed something else."""

    def draws(seed: int, name: str, number: int) -> tuple[bytes, float, list[bool]]:
        world = make(seed)
        world.loop.close()
        life = Life(machine(world, name=name), number, world)
        return life.random_bytes(16), life.jitter(), [life.coin() for _ in range(50)]

    assert draws(1, "a", 1) == draws(1, "a", 1)
    others = [draws(1, "a", 1), draws(2, "a", 1), draws(1, "b", 1), draws(1, "a", 2)]
    assert len({drawn[0] for drawn in others}) == 4
    for drawn in others:
        assert len(drawn[0]) == 16
        assert 0.0 <= drawn[1] < 1.0
        assert set(drawn[2]) == {True, False}


def test_two_lives_never_give_the_same_id() -> None:
    """Ids of a machine's second life are none of its first, though its clock was set back between them."""
    world = make(rates=sure(Fault.CLOCK_SET))

    async def scenario() -> None:
        one, ids = machine(world), set[int]()
        for _ in range(5):
            source = IdSource(await started(one))
            ids |= {source.new_id() for _ in range(100)}
            assert one.life is not None
            one.life.dies(Moment.VERB)
        assert len(ids) == 500

    live(world, scenario())


def test_a_seed_is_found_for_every_moment() -> None:
    """The worlds of these tests differ: one process of each dies at another kind of moment."""
    assert len({seeds_dying(moment) for moment in Moment}) == len(Moment)


def test_who_stands_still_is_not_stopped_again() -> None:
    """Who stands still goes on when that time is over: no other freeze changes it, so its steps keep their order."""
    world = make(rates=sure(Fault.FREEZE))

    async def scenario() -> None:
        machine(world).begin()
        await asyncio.sleep(60.0)

    live(world, scenario())
    over = 0.0
    stood = [noted for noted in world.trace.kept if noted.what == "stands still"]
    for noted in stood:
        assert noted.at >= over
        over = noted.at + float(noted.detail.split()[1])
    assert len(stood) > 3


def test_a_process_dies_once() -> None:
    """Whoever finds a process dead already does not kill it again: its machine starts one process, not two."""
    world = make()

    async def scenario() -> int:
        one = machine(world)
        life = await started(one)
        life.dies(Moment.VERB)
        life.gives_up("it was dead already")
        await asyncio.sleep(30.0)
        return one.lives

    assert live(world, scenario()) == 2
