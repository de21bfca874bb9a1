"""A ledger that cannot be written costs answers, never the sandbox, and nothing that was promised."""

import asyncio
import base64
import resource
import time
from collections.abc import Generator
from pathlib import Path

import apsw
import httpx
import pytest

from makegood.sandbox import trades
from makegood.sandbox.letters import Letter, Moments
from makegood.sandbox.notifications import Due
from makegood.sandbox.store import StoreFailedError
from tests.support.sandbox import SandboxProcess
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.sandbox.letters import Letters
from tests.unit.sandbox.merchant import Client, Receiver, http
from tests.unit.sandbox.simulated import Process, tables
from tests.unit.sandbox.test_platform import paid


class Limited(SandboxProcess):
    """A sandbox whose disk can be made full."""

    def fill_disk(self, *, full: bool) -> None:
        """No file of its may grow beyond a page while it is full."""
        assert self._process is not None
        limit = 4096 if full else resource.RLIM_INFINITY
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None


@pytest.fixture
def limited(tmp_path: Path) -> Generator[Limited]:
    """A running sandbox in a folder of its own."""
    process = Limited(tmp_path / "sandbox")
    process.start()
    yield process
    assert process.stop() == 0, process.log()


def test_full_disk_is_answered_and_survived(limited: Limited, receiver: Receiver) -> None:
    """Each platform answers with its own failure, signed; then all goes on, and what was under way is told."""
    client = Client(limited)
    receiver.answer = "no"
    client.press(client.precreate("told", "1.00", receiver.url), "pay")
    assert receiver.next()["out_trade_no"] == "told"
    waiting = client.precreate("waiting", "1.00")
    http.post(f"{limited.url}/control/clock", json={"speed": 200}).raise_for_status()
    limited.fill_disk(full=True)
    refused = client.call("alipay.trade.precreate", {"out_trade_no": "x", "total_amount": "1.00", "subject": "s"})
    assert refused["code"] == "20000"
    assert client.press(waiting, "pay").status_code == 503
    assert stripe(limited).status_code == 500
    assert receiver.next()["out_trade_no"] == "told"
    assert receiver.next()["out_trade_no"] == "told", "what could not be written down is tried again"
    assert receiver.silent_for(0.5), "a second later"
    assert limited.is_alive()
    limited.fill_disk(full=False)
    receiver.answer = "success"
    http.post(f"{limited.url}/control/clock", json={"speed": 1}).raise_for_status()
    assert client.press(waiting, "pay").status_code == 200
    assert stripe(limited).status_code == 200
    deadline = time.monotonic() + 10
    while not http.get(f"{limited.url}/control/notifications").json()["notifications"][0]["delivered_at"]:
        assert time.monotonic() < deadline
        http.post(f"{limited.url}/control/clock", json={"advance_seconds": 600}).raise_for_status()
        time.sleep(0.1)
    assert "The ledger failed" in limited.log()


def stripe(sandbox: SandboxProcess) -> httpx.Response:
    """A new PaymentIntent."""
    key = base64.b64encode(f"{sandbox.config['stripe']['api_key']}:".encode()).decode()
    form = {"amount": "100", "currency": "cny"}
    return http.post(f"{sandbox.url}/v1/payment_intents", data=form, headers={"Authorization": f"Basic {key}"})


@virtual
async def test_notifier_outlives_a_ledger_that_cannot_be_read(world: VirtualWorld) -> None:
    """It looks again until it can, and then tells what is due."""
    disk, letters = apsw.Connection(":memory:"), Letters()
    process = Process(world, disk, letters)
    process.start()
    disk.execute("PRAGMA query_only = OFF; ALTER TABLE notifications RENAME TO hidden")
    await asyncio.sleep(5)
    with pytest.raises(StoreFailedError):
        await process.platform.store.read(lambda tx: tx.rows("SELECT * FROM notifications"))
    disk.execute("PRAGMA query_only = OFF; ALTER TABLE hidden RENAME TO notifications")
    await paid(process, world)
    await asyncio.sleep(5)
    assert len(letters.bodies) == 1
    process.die()


@virtual
async def test_letter_that_cannot_be_written_is_a_failed_attempt(world: VirtualWorld) -> None:
    """It goes up the ladder as one that nobody took, and others are told meanwhile."""
    disk, letters = apsw.Connection(":memory:"), Letters()
    process = Process(world, disk, letters)
    voice = process.platform.voices[trades.ALIPAY]
    process.platform.voices[trades.ALIPAY] = Dumb(voice.ladder)  # pyright: ignore[reportIndexIssue]
    process.start()
    await paid(process, world)
    await asyncio.sleep(1)
    [attempt] = tables(disk, "attempts")
    assert attempt[3:5] == (None, "not written: ZeroDivisionError('no ink')")
    process.platform.voices[trades.ALIPAY] = voice  # pyright: ignore[reportIndexIssue]
    await asyncio.sleep(241)
    assert len(letters.bodies) == 1
    process.die()


class Dumb:
    """A voice that cannot write."""

    timeout = 1.0
    twists = frozenset[str]()

    def __init__(self, ladder: tuple[int, ...]) -> None:
        self.ladder = ladder

    async def write(self, due: Due, moments: Moments, twist: str = "") -> Letter:
        """Fails."""
        del due, moments, twist
        raise ZeroDivisionError("no ink")
