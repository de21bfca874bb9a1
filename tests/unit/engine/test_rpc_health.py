"""How long a process rests that was lost or silent."""

from makegood.engine.rpc.triple.health import LONGEST_REST, REST, Health


def _rest_of(health: Health, now: float) -> float:
    """Seconds that it rests from now on, to a tenth."""
    return next(tenths / 10 for tenths in range(1_000) if not health.resting(now + tenths / 10))


def test_rest_doubles_up_to_a_limit() -> None:
    """Each failure after a rest doubles the next rest, up to a limit; an answer begins anew."""
    health, now, rests = Health(), 100.0, list[float]()
    for _ in range(6):
        health.rest(now)
        rests.append(_rest_of(health, now))
        now += rests[-1]
    assert rests == [REST, 2 * REST, 4 * REST, 8 * REST, LONGEST_REST, LONGEST_REST]
    health.heard(now)
    health.rest(now)
    assert _rest_of(health, now) == REST


def test_failures_at_once_are_one() -> None:
    """The many questions that are lost with one connection count as one failure."""
    health = Health()
    for _ in range(100):
        health.rest(100.0)
    assert _rest_of(health, 100.0) == REST


def test_silence_counts_when_all_is_silent() -> None:
    """A question that came to its deadline says nothing of a process that has just answered others."""
    health = Health()
    health.heard(100.0)
    health.silent(100.0 + REST / 2)
    assert not health.resting(100.0 + REST / 2)
    health.silent(100.0 + 2 * REST)
    assert health.resting(100.0 + 2 * REST)
