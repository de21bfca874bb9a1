"""Whole replays of the year's first baskets, against a peer."""

import asyncio

import msgspec
import pytest

from makegood.replay.command import replay
from makegood.replay.errors import ReplayError

from .peer import OPERATORS, Peer


async def run(peer: Peer, capsys: pytest.CaptureFixture[str], baskets: int = 12) -> tuple[int, dict[str, object]]:
    """The exit status and the JSON summary."""
    status = await replay(peer.url, OPERATORS, baskets=baskets, concurrency=4, json_output=True, drain_timeout=0)
    return status, msgspec.json.decode(capsys.readouterr().out, type=dict[str, object])


async def test_a_replay_that_agrees_ends_with_0(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is sold, spent and paid, and the summary says so."""
    status, summary = await run(peer, capsys)
    assert (status, summary["ok"], summary["differences"]) == (0, True, 0)
    assert summary["actual"] == summary["expected"]
    assert not any(peer.stock.values())
    assert not any(peer.balances.values())
    assert len(peer.orders) == 12


async def test_a_replay_goes_on_and_grows(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """A repeat changes nothing, and more baskets add only what is new."""
    await run(peer, capsys, 5)
    assert (await run(peer, capsys, 5))[0] == 0
    assert len(peer.orders) == 5
    assert (await run(peer, capsys, 9))[0] == 0
    assert len(peer.orders) == 9


async def test_a_replay_through_failures_agrees(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Resets, lost answers and refusals for load are retried until everything agrees."""
    peer.plan.extend(["well", "reset", "lost", "busy"] * 12)
    status, summary = await run(peer, capsys)
    assert (status, summary["differences"]) == (0, 0)
    assert summary["retries"] != 0


async def test_a_stopped_replay_goes_on(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C (a cancelled task) says what to do; the same call then completes."""
    fifth = peer.after(5)
    stopped = asyncio.create_task(replay(peer.url, OPERATORS, baskets=40, concurrency=2))
    await fifth.wait()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert "goes on where it was" in capsys.readouterr().err
    assert len(peer.orders) < 40
    assert (await run(peer, capsys, 40))[0] == 0


async def test_a_refused_basket_ends_with_1(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """A basket the shop does not sell is listed with its code, and the proof names what is missing."""
    await run(peer, capsys, 3)
    peer.refuse_baskets.add(peer.keys[-1])
    status, summary = await run(peer, capsys, 3)
    assert status == 1
    assert "out_of_stock" in msgspec.json.encode(summary["outcome"]).decode()


@pytest.mark.parametrize("spoilt", ["stock", "balances", "points"])
async def test_a_spoilt_shop_ends_with_1(peer: Peer, capsys: pytest.CaptureFixture[str], spoilt: str) -> None:
    """One piece, fen or point too many anywhere is a listed difference."""
    await run(peer, capsys)
    books: dict[str, int] = getattr(peer, spoilt)
    books[next(iter(books))] += 1
    status, summary = await run(peer, capsys)
    assert status == 1
    assert summary["differences"] != 0


async def test_the_table_names_figures_and_differences(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Without JSON the user reads the figures side by side, what was dropped, and each difference."""
    await replay(peer.url, OPERATORS, baskets=3, concurrency=2, drain_timeout=0)
    assert "The shop holds what the data set says" in capsys.readouterr().out
    peer.stock[next(iter(peer.stock))] += 2
    assert await replay(peer.url, OPERATORS, baskets=3, concurrency=2, drain_timeout=0) == 1
    shown = capsys.readouterr().out
    assert "goods amount" in shown
    assert "Not ordered:" in shown
    assert "stock: expected 0, the shop has 2" in shown


@pytest.mark.parametrize(("baskets", "concurrency"), [(0, 1), (-1, 1), (1, 0)])
async def test_bad_numbers_are_refused(peer: Peer, baskets: int, concurrency: int) -> None:
    """Nothing is sent for a number that makes no sense."""
    with pytest.raises(ReplayError, match="at least 1"):
        await replay(peer.url, OPERATORS, baskets=baskets, concurrency=concurrency)
    assert peer.requests == []
