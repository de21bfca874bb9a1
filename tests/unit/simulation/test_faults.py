"""What goes wrong in a world: drawn from its seed, a stream for each kind."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.simulation.faults import HAS, RATES, STRENGTHS, Fault, Faults, Injected, Rates

HALF = Rates(dict.fromkeys(Fault, 0.5))
OCCASIONS = st.lists(st.sampled_from(list(Fault)[:5]), min_size=1, max_size=60)


def faults(seed: int = 1, rates: Rates = HALF, left_out: Iterable[str] = ()) -> Faults:
    """Faults at a time that stands still."""
    return Faults(seed, rates, lambda: 7.0, frozenset(left_out))


def drawn(one: Faults, occasions: Iterable[Fault]) -> dict[str, float]:
    """What happened at these occasions, with its size."""
    sizes = {}
    for fault in occasions:
        if one.happens(fault, "somewhere"):
            sizes[one.injected[-1].name] = one.size(fault)
    return sizes


@given(OCCASIONS, st.integers(0, 1_000), st.data())
def test_leaving_faults_out_changes_no_other_draw(occasions: list[Fault], seed: int, data: st.DataObject) -> None:
    """Without some of its faults, a world has exactly the others, at the same occasions."""
    all_of_them = drawn(faults(seed), occasions)
    left_out = data.draw(st.sets(st.sampled_from(sorted(all_of_them)))) if all_of_them else set[str]()
    rest = drawn(faults(seed, left_out=left_out), occasions)
    assert list(rest) == [name for name in all_of_them if name not in left_out]


@settings(max_examples=25)
@given(OCCASIONS, st.integers(0, 1_000))
def test_a_kind_has_a_stream_of_its_own(occasions: list[Fault], seed: int) -> None:
    """What happens of one kind, and how large it is, does not depend on how often others could happen."""
    together = drawn(faults(seed), occasions)
    for fault in set(occasions):
        alone = drawn(faults(seed), [one for one in occasions if one is fault])
        assert alone == {name: size for name, size in together.items() if name.startswith(f"{fault.name.lower()}-")}


def test_a_kind_without_a_rate_draws_nothing() -> None:
    """A world that does not have a kind of fault counts no occasion of it."""
    one = faults(rates=Rates({Fault.DEATH: 1.0}))
    assert not one.happens(Fault.FREEZE, "")
    assert one.happens(Fault.DEATH, "")
    assert one.occasions == {Fault.DEATH: 1}


def test_nothing_happens_after_the_end() -> None:
    """Once they are stopped no fault happens, is counted or remembered."""
    one = faults(rates=Rates(dict.fromkeys(Fault, 1.0)))
    assert one.happens(Fault.DEATH, "before")
    one.stop()
    assert one.over
    assert not any(one.happens(fault, "after") for fault in Fault)
    assert [injected.where for injected in one.injected] == ["before"]
    assert one.occasions.total() == 1


def test_a_name_counts_occasions() -> None:
    """A fault is called after its kind and the number of the occasion, not of those that happened."""
    one = faults()
    expected = [number for number in range(1, 101) if one.happens(Fault.COMMIT_LOST, "orders")]
    assert [injected.number for injected in one.injected] == expected
    assert [injected.name for injected in one.injected] == [f"commit_lost-{number}" for number in expected]
    assert one.injected[0] == Injected(Fault.COMMIT_LOST, expected[0], 7.0, "orders")


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.5, 0.9])
def test_a_rate_is_how_often(rate: float) -> None:
    """Of many occasions about as many are faults as the rate says; of rate zero none, ever."""
    one = faults(rates=Rates({Fault.READ_LOST: rate}))
    happened = sum(one.happens(Fault.READ_LOST, "") for _ in range(10_000))
    assert abs(happened - 10_000 * rate) <= 200 * (rate > 0)


def test_seeds_differ_and_repeat() -> None:
    """The same seed draws the same, another one something else."""
    occasions = [Fault.READ_LOST] * 100
    assert drawn(faults(1), occasions) == drawn(faults(1), occasions)
    assert drawn(faults(1), occasions) != drawn(faults(2), occasions)


def test_a_size_is_a_part_of_the_largest() -> None:
    """Sizes lie in [0, 1), near both ends."""
    one = faults(rates=Rates({Fault.FREEZE: 1.0}))
    sizes = list(drawn(one, [Fault.FREEZE] * 1_000).values())
    assert 0.0 <= min(sizes) < 0.05
    assert 0.95 < max(sizes) < 1.0


def test_every_kind_has_a_rate() -> None:
    """No kind of fault is forgotten in the table, none is sure to happen."""
    assert set(RATES) == set(Fault)
    assert all(0.0 < rate < 1.0 for rate in RATES.values())


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 1.0, 2.0]))
def test_the_rates_of_a_world(seed: int, scale: float) -> None:
    """A world has some kinds, all of one strength, none above nine in ten; the scale does not change which."""
    rates = Rates.of(seed, scale)
    assert Rates.of(seed, scale) == rates
    assert list(Rates.of(seed, 1.0).rates) == list(rates.rates)
    assert any(
        rates.rates == {fault: min(0.9, RATES[fault] * (strength * scale)) for fault in rates.rates}
        for strength in STRENGTHS
    )


def test_worlds_differ_in_what_they_have() -> None:
    """Every kind is in about six worlds of ten, and each strength comes up."""
    worlds = [Rates.of(seed, 1.0).rates for seed in range(500)]
    for fault, rate in RATES.items():
        having = [world[fault] for world in worlds if fault in world]
        assert abs(len(having) - 500 * HAS) < 60
        assert set(having) == {min(0.9, rate * strength) for strength in STRENGTHS}


def test_leaving_one_out_does_not_change_how_large_others_are() -> None:
    """A fault is as large as it is, whether others of its kind are left out or not."""
    occasions = [Fault.FREEZE] * 20
    whole = drawn(faults(), occasions)
    first = next(iter(whole))
    rest = drawn(faults(left_out={first}), occasions)
    assert rest == {name: size for name, size in whole.items() if name != first}


def test_a_given_rate_is_every_worlds() -> None:
    """A kind whose rate is given has it in every world, whatever the seed and the scale say; others do not change."""
    for seed in range(20):
        given = Rates.of(seed, 0.0, {Fault.DEATH: 0.7}).rates
        assert given.pop(Fault.DEATH) == 0.7
        assert not any(given.values())
