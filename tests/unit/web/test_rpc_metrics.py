"""What `/metrics` says of calls between processes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from makegood.engine.errors import DeadlineExceeded, OperationFailed, Overloaded, ServiceUnavailable
from makegood.engine.registry.port import Provider
from makegood.engine.rpc.figures import RpcFigures
from makegood.web.metrics import Metrics
from tests.contract.rpc.parrot import ECHO, FAIL, HERE, INTERFACE, ONCE, Flock, Parrot, triple
from tests.unit.web.peer import PeerShop

CALLS = 1_000


@pytest.fixture
async def flock() -> AsyncGenerator[Flock]:
    """No parrot yet."""
    async with triple() as flock:
        yield flock


class Looked:
    """The figures of a flock's caller and its first parrot, as Prometheus reads them."""

    def __init__(self, flock: Flock) -> None:
        metrics = Metrics(PeerShop(), RpcFigures(flock.caller.figures, flock.doors[0].figures))
        self.families = list(text_string_to_metric_families(metrics.text().decode()))
        self.samples = {
            (one.name.removeprefix("makegood_rpc_"), *(value for _, value in sorted(one.labels.items()))): one.value
            for family in self.families
            for one in family.samples
        }


async def test_calls_and_frames(flock: Flock) -> None:
    """Both sides count the same calls and the same frames, which are far fewer."""
    await flock.join(Parrot())
    await asyncio.gather(*[flock.say("hello", seconds=20) for _ in range(CALLS)])
    seen = Looked(flock).samples
    for side in ("client", "server"):
        assert seen[f"{side}_calls_total", "Echo", "parrot"] == CALLS
        assert seen[f"{side}_framed_calls_total", "parrot"] == CALLS
        assert seen[f"{side}_seconds_count", "Echo", "parrot"] == CALLS
        assert seen[f"{side}_seconds_sum", "Echo", "parrot"] > 0
        assert seen[f"{side}_streams",] == 1
    assert seen["client_frames_total", "parrot"] == seen["server_frames_total", "parrot"] < CALLS / 20
    assert seen["server_answers_total",] == CALLS
    assert 1 <= seen["server_answer_frames_total",] < CALLS / 20
    assert seen["providers", "parrot"] == 1
    assert not [
        key for key in seen if key[0] in ("client_failures_total", "server_failures_total", "client_repeats_total")
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Overloaded, "overloaded"),
        (DeadlineExceeded, "deadline"),
        (ServiceUnavailable, "unavailable"),
        (OperationFailed, "failed"),
    ],
)
async def test_failures_by_kind(flock: Flock, error: type[Exception], kind: str) -> None:
    """A call without an answer counts on both sides by why, and among all calls."""
    await flock.join(Parrot())
    with pytest.raises(error):
        await flock.say(error.__name__, FAIL)
    seen = Looked(flock).samples
    for side in ("client", "server"):
        assert seen[f"{side}_failures_total", kind, "Fail", "parrot"] == 1
        assert seen[f"{side}_calls_total", "Fail", "parrot"] == 1


async def test_a_late_answer(flock: Flock) -> None:
    """What its caller no longer waits for is late for the caller."""
    await flock.join(Parrot())
    with pytest.raises(DeadlineExceeded):
        await flock.say("hello", ONCE, seconds=0.0)
    seen = Looked(flock).samples
    assert seen["client_failures_total", "deadline", "Once", "parrot"] == 1


async def test_providers_come_and_go(flock: Flock) -> None:
    """What a provider that cannot be reached did not take is asked once more of another; those that left are gone."""
    first = await flock.join(Parrot())
    await flock.registry.register(INTERFACE, Provider(HERE, 1))
    for _ in range(5):
        await flock.say("hello")
    seen = Looked(flock).samples
    assert seen["providers", "parrot"] == 2
    assert seen["client_repeats_total", "parrot"] >= 1
    assert seen["client_calls_total", "Echo", "parrot"] == 5
    await first.close()
    assert Looked(flock).samples["providers", "parrot"] == 1
    await flock.caller.close()
    seen = Looked(flock).samples
    assert seen["providers", "parrot"] == 0
    assert seen["client_streams",] == seen["server_streams",] == 0


async def test_a_program_that_nobody_calls(flock: Flock) -> None:
    """A process without a door has the client's figures alone, and one that calls nobody over a network none."""
    metrics = Metrics(PeerShop(), RpcFigures(flock.caller.figures))
    assert b"makegood_rpc_client_streams 0.0" in metrics.text()
    assert b"makegood_rpc_server" not in metrics.text()
    assert b"makegood_rpc" not in Metrics(PeerShop()).text()


async def test_names(flock: Flock) -> None:
    """Each family has a help, and the ending of its kind."""
    await flock.join(Parrot())
    await flock.say("hello", ECHO)
    families = [one for one in Looked(flock).families if one.name.startswith("makegood_rpc")]
    assert len(families) == len({one.name for one in families}) > 10
    assert all(one.documentation and one.type in ("counter", "gauge", "histogram") for one in families)
