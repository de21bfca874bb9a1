"""Whole replays of the year's first baskets, against a peer."""

import asyncio

import msgspec
import pytest

from makegood.replay import dataset
from makegood.replay.baskets import orders
from makegood.replay.command import replay
from makegood.replay.errors import ReplayError
from makegood.replay.report import Report
from makegood.replay.watching import Usage

from .peer import OPERATORS, Peer
from .rows import RULE


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
    peer.requests.clear()
    assert (await run(peer, capsys, 5))[0] == 0
    assert "POST /api/orders" not in peer.requests
    assert (await run(peer, capsys, 9))[0] == 0
    assert (len(peer.orders), peer.requests.count("POST /api/orders")) == (9, 4)


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


async def test_the_report_says_where_the_time_went(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Each step has its seconds, and each process that tells them its CPU seconds and its memory."""
    peer.figures.append("process_cpu_seconds_total 3.5\nprocess_resident_memory_bytes 1.5e+08\n")
    _, summary = await run(peer, capsys)
    whole = msgspec.convert(summary, Report)
    assert min(whole.seconds.read, whole.seconds.buy, whole.orders_per_second, whole.total_seconds) > 0
    assert whole.outcome.bought == 12
    assert whole.processes["shop"] == Usage(0.0, 150_000_000, 150_000_000, 150_000_000)
    assert whole.processes["sandbox"] == Usage(None, None, None, None)
    assert (whole.processes["client"].resident_most or 0) > 10_000_000
    assert whole.memory[-1].orders == 12
    await replay(peer.url, OPERATORS, baskets=3, concurrency=2, drain_timeout=0)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("find", "prove", "orders a second", "CPU seconds", "143", "not told"))


async def test_a_refused_basket_ends_with_1(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """A basket the shop does not sell is listed with its code, and the proof names what is missing."""
    first = next(orders(dataset.lines(dataset.folder() / "transactions.parquet"), RULE))
    peer.refuse_keys[str(first.basket)] = "out_of_stock"
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
