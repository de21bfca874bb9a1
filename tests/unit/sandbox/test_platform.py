"""The platform from its parts, over somebody else's connection, time and chance."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping

import apsw
import pytest

from makegood.sandbox import trades
from makegood.sandbox.alipay.merchant import Merchant
from makegood.sandbox.store import StoreFailedError
from makegood.sandbox.trades import State
from makegood.shop.payments.gateways.port import OpenPayment, RefundPayment, RefundState
from tests.support.virtual_time import VirtualWorld, run, virtual
from tests.unit.sandbox.letters import Letters
from tests.unit.sandbox.simulated import ACCOUNT, CASHIER, KEYS, NOTIFY, Process, tables

HOUR = 3_600


def payment(world: VirtualWorld, number: str = "P1") -> OpenPayment:
    """A payment of 88.80 yuan, payable for an hour."""
    return OpenPayment(number, 8880, "tea", world.now() + HOUR * 1000, NOTIFY)


async def paid(process: Process, world: VirtualWorld, number: str = "P1") -> str:
    """The code of a payment that was opened by the shop's adapter and paid at the cashier."""
    opened = await process.alipay().open(payment(world, number))
    code = opened.pay_url.removeprefix(CASHIER)
    assert (await process.platform.cashier.look(code)).state is State.WAITING
    assert (await process.platform.cashier.act(code, "pay")).state is State.PAID
    return code


@virtual
async def test_paid_trade_survives_its_process(world: VirtualWorld) -> None:
    """What died before it notified left a trade that the next process knows, and notifies of."""
    disk, letters = apsw.Connection(":memory:"), Letters()
    first = Process(world, disk, letters)
    first.start()
    await paid(first, world)
    first.die()
    assert letters.bodies == []
    second = Process(world, disk, letters)
    second.start()
    await asyncio.sleep(1)
    assert letters.urls == [NOTIFY]
    alipay = second.alipay()
    notice = alipay.read_notification(letters.bodies[0], {})
    assert (notice.kind, notice.payment_id, notice.amount) == ("captured", "P1", 8880)
    assert await alipay.refund(RefundPayment("P1", "R1", 880, "", 8880)) == RefundState("succeeded")
    [(trade, [refund])] = await second.platform.store.read(lambda tx: trades.page(tx, 0, 10))
    assert (trade.out_trade_no, trade.stored_state, refund.amount) == ("P1", "PAID", 880)


@virtual
async def test_ladder_runs_on_the_loops_time(world: VirtualWorld) -> None:
    """A merchant who is away is told again after 4, 10 and 10 minutes, to the second."""
    disk, letters = apsw.Connection(":memory:"), Letters(answer=None)
    process = Process(world, disk, letters)
    process.start()
    await paid(process, world)
    for minutes, count in ((3.9, 1), (0.2, 2), (9.8, 2), (0.2, 3), (9.8, 3), (0.2, 4)):
        await asyncio.sleep(60 * minutes)
        assert len(letters.bodies) == count
    assert tables(disk, "attempts")[0][4] == "no answer: nobody is there"
    letters.answer = b"success"
    await asyncio.sleep(3 * HOUR)
    assert len({fields["notify_id"] for fields in letters.fields()}) == 1
    assert len(letters.bodies) == 5


@virtual
async def test_silence_is_an_attempt(world: VirtualWorld) -> None:
    """A merchant who never answers holds a sender for five seconds, and is told again."""

    class Mute(Letters):
        async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
            await super().post(url, headers, body)
            await asyncio.sleep(HOUR)
            return 200, b"success"

    disk, mute = apsw.Connection(":memory:"), Mute()
    process = Process(world, disk, mute)
    process.start()
    await paid(process, world)
    await asyncio.sleep(4)
    assert (len(mute.bodies), tables(disk, "attempts")) == (1, [])
    await asyncio.sleep(2)
    assert [row[4] for row in tables(disk, "attempts")] == ["no answer: TimeoutError"]
    await asyncio.sleep(250)
    assert len(mute.bodies) == 2


def test_same_seed_gives_the_same_bytes() -> None:
    """Codes, answers and notifications follow from time and chance given; other chance gives other codes."""

    async def scenario(world: VirtualWorld) -> tuple[list[str], list[bytes], list[bytes]]:
        letters = Letters()
        process = Process(world, apsw.Connection(":memory:"), letters)
        process.start()
        codes = list(await asyncio.gather(*(paid(process, world, f"P{n}") for n in range(20))))
        await asyncio.sleep(1)
        return codes, process.heard, letters.bodies

    first, again, other = run(scenario, seed=1), run(scenario, seed=1), run(scenario, seed=2)
    assert first == again
    assert (len(set(first[0])), len(first[2])) == (20, 20)
    assert not set(first[0]) & set(other[0])


@virtual
async def test_half_a_transaction_of_a_dead_process_is_undone(world: VirtualWorld) -> None:
    """What was open when the process died, savepoint and all, is gone: at opening, and before whatever comes next."""
    disk = apsw.Connection(":memory:")
    process = Process(world, disk, Letters())
    process.start()
    code = await paid(process, world)
    for reopened in (False, True):
        disk.execute("PRAGMA query_only = OFF; BEGIN; UPDATE trades SET amount = 1; SAVEPOINT deep; DELETE FROM trades")
        if reopened:
            process.die()
            process = Process(world, disk, Letters())
            assert not disk.in_transaction
            process.start()
        view = await process.platform.cashier.look(code)
        assert (view.state, view.trade and view.trade.amount) == (State.PAID, 8880)
    disk.execute("PRAGMA query_only = OFF; BEGIN; DELETE FROM trades")
    await paid(process, world, "P2")
    assert [row[2] for row in tables(disk, "trades")] == ["P1", "P2"]


@virtual
async def test_looking_changes_nothing_on_a_shared_connection(world: VirtualWorld) -> None:
    """Work that is only to look cannot write, though the connection can."""
    process = Process(world, apsw.Connection(":memory:"), Letters())
    process.start()
    with pytest.raises(StoreFailedError):
        await process.platform.store.read(lambda tx: tx.rows("DELETE FROM trades"))
    await paid(process, world)


@virtual
async def test_closing_leaves_the_connection_open(world: VirtualWorld) -> None:
    """The connection is somebody else's."""
    disk = apsw.Connection(":memory:")
    process = Process(world, disk, Letters())
    process.platform.store.close()
    assert tables(disk, "trades") == []


@virtual
async def test_failing_sender_ends_the_notifier(world: VirtualWorld) -> None:
    """A fault in one sender is raised by `run`, and no other task of the notifier goes on."""

    class Broken(Letters):
        async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
            await super().post(url, headers, body)
            raise ZeroDivisionError

    process = Process(world, apsw.Connection(":memory:"), Broken())
    writing = asyncio.create_task(process.platform.store.run())
    notifying = asyncio.create_task(process.platform.notifier.run())
    await paid(process, world)
    with pytest.raises(ZeroDivisionError):
        await notifying
    assert asyncio.all_tasks() == {asyncio.current_task(), writing}


@virtual
async def test_cancelled_notifier_leaves_no_task(world: VirtualWorld) -> None:
    """When `run` has been cancelled, its senders have ended."""
    process = Process(world, apsw.Connection(":memory:"), Letters())
    notifying = asyncio.create_task(process.platform.notifier.run())
    await asyncio.sleep(1)
    notifying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await notifying
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_it_needs_no_server() -> None:
    """Importing the platform imports neither HTTP framework, server, client nor templates."""
    heavy = ("litestar", "granian", "jinja2", "aiohttp", "httpx", "uvloop")
    code = f"import sys, makegood.sandbox.platform; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "[]"


def test_merchant_from_given_keys() -> None:
    """Given keys are the merchant's, whatever their size, and its numbers are those of the account."""
    merchant = Merchant(ACCOUNT, KEYS)
    assert (merchant.platform_key, merchant.platform_key.key_size) == (KEYS.platform, 1024)
    assert merchant.settings("http://x")["app_id"] == ACCOUNT.app_id


@pytest.mark.parametrize("senders", [0, 256])
def test_impossible_number_of_senders(senders: int) -> None:
    """A notifier without senders, or with more than it may have under way, is refused."""
    with pytest.raises(ValueError, match="give 1 to 255"):
        run(lambda world: refused(world, senders))


async def refused(world: VirtualWorld, senders: int) -> None:
    """A process with so many senders."""
    Process(world, apsw.Connection(":memory:"), Letters(), senders)
