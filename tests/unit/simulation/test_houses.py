"""Whole worlds in which nothing fails, of every topology."""

import asyncio
from functools import lru_cache
from itertools import count

import pytest

from makegood.simulation.checks import DRAINED
from makegood.simulation.house import TOPOLOGIES, House, Topology
from makegood.simulation.network import Network
from makegood.simulation.platform import Platforms
from makegood.simulation.runs import Options, Ran, run
from tests.unit.simulation.laboratory import make

QUIET = Options(orders=3, scale=0, keep=True)
PAID = "payment_status='PAID'"
NAMES = [topology.name for topology in TOPOLOGIES]


def house_of(seed: int) -> House:
    """The house of this world, in which nothing has started."""
    world = make(seed)
    world.loop.close()
    network = Network(world)
    return House(world, network, Platforms(world, network))


def is_paid(ran: Ran) -> bool:
    """Whether an order was paid in it, at a platform."""
    return ran.examined["P12"] > 0 and any(
        noted.what == "writes" and noted.detail.startswith("orders: Order") and PAID in noted.detail
        for noted in ran.kept
    )


@lru_cache
def quiet(topology: str) -> Ran:
    """A world of this topology without faults, in which somebody means to pay."""
    seeds = (seed for seed in count(1) if house_of(seed).topology.name == topology)
    return next(ran for ran in (run(seed, QUIET) for seed in seeds) if is_paid(ran))


@pytest.mark.parametrize("topology", NAMES)
def test_every_topology_places_and_pays(topology: str) -> None:
    """Orders are confirmed and paid wherever the services run, and the audit, which looks at both, finds nothing."""
    ran = quiet(topology)
    assert (ran.topology, ran.orders) == (topology, 3)
    assert ran.confirmed >= 1
    assert ran.broken == ()
    assert ran.injected == ()
    assert ran.examined["P12"] >= 1


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=NAMES)
def test_every_service_is_somewhere(topology: Topology) -> None:
    """Each service runs in every copy of one group, and nowhere else."""
    house = next(house for house in map(house_of, count(1)) if house.topology is topology)
    offers = [name for machine in house.machines for name in machine.offers]
    assert sorted(offers) == sorted([*house.disks] * topology.copies)
    assert len({machine.name for machine in house.machines}) == len(house.machines)
    assert set(house.fronts) <= set(house.machines)
    assert bool([machine for machine in house.machines if machine.name == "broker"]) is not topology.embedded


def test_a_world_ends_at_its_last_step() -> None:
    """Told its last step a world ends there, unjudged, and its trace is the beginning of the whole one."""
    whole = quiet("embedded")
    half = run(whole.seed, Options(orders=3, scale=0, keep=True, steps=whole.steps // 2))
    assert half.steps == whole.steps // 2
    assert (half.examined, half.broken) == ({}, ())
    assert 0 < len(half.kept) < len(whole.kept)
    assert half.kept == whole.kept[: len(half.kept)]
    assert half.digest != whole.digest


def test_a_world_without_buyers_rests() -> None:
    """Where some buyers are left out the others do the same, and where all are nothing is placed."""
    none = run(5, Options(orders=6, scale=0, buyers=frozenset()))
    assert (none.orders, none.attempts, none.broken) == (0, 0, ())
    one = run(5, Options(orders=6, scale=0, buyers=frozenset({1})))
    assert (one.orders, one.broken) == (3, ())
    assert one.attempts >= 3


def test_a_kept_text_changes_nothing() -> None:
    """Whether the text of a trace is kept or not, the trace is the same."""
    assert run(quiet("embedded").seed, Options(orders=3, scale=0)).digest == quiet("embedded").digest


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=NAMES)
def test_a_broker_that_is_away_is_not_asked(topology: Topology) -> None:
    """While nobody runs the broker, what is not delivered is not known, and nobody waits for it for ever."""
    house = next(house for house in map(house_of, count(1)) if house.topology is topology)
    [broken] = asyncio.run(house.undelivered())
    assert (broken.promise, broken.subject) == (DRAINED, "broker")
