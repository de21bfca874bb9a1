"""Two platforms, two ledgers: what breaks on one channel is found there, and nowhere else."""

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from makegood.audit import PlatformUnavailable, Trade
from makegood.shop.audit_types import Checked
from makegood.shop.orders.contracts import Order
from makegood.shop.payments.tables import BREAKS, BreakRow
from tests.audit.two_channels import Channel, Ledger, TwoChannels

OTHER: dict[Channel, Channel] = {"testpay": "otherpay", "otherpay": "testpay"}
CHANNELS = sorted(OTHER)


@pytest.fixture
async def shop() -> TwoChannels:
    """Four orders paid on each channel, the last of each refunded, and one that is not paid."""
    shop = TwoChannels()
    for number in range(4):
        for channel in CHANNELS:
            order = await shop.place(f"{channel} {number}")
            await shop.pay(order, channel)
            if number == 3:
                await shop.refund(order)
    await shop.place("unpaid")
    return shop


def found(checked: list[Checked]) -> list[tuple[str, str, str]]:
    """Promise, subject and detail of everything that is broken."""
    return [(one.promise, one.subject, one.detail) for each in checked for one in each.findings]


def first_of(shop: TwoChannels, channel: Channel) -> str:
    """The number of the channel's first trade."""
    return next(iter(shop.platforms[channel].trades))


async def test_nothing_is_broken(shop: TwoChannels) -> None:
    """A shop at work on two channels has no finding, and every trade of both ledgers is examined."""
    checked = await shop.look()
    assert found(checked) == []
    assert {one.promise: one.examined for one in checked}["P12"] == 8


Harm = Callable[[TwoChannels, Channel, str], None]


def _forgets(shop: TwoChannels, channel: Channel, number: str) -> None:
    del shop.platforms[channel].trades[number]


def _not_paid(shop: TwoChannels, channel: Channel, number: str) -> None:
    shop.platforms[channel].trades[number].paid_at = None


def _takes_less(shop: TwoChannels, channel: Channel, number: str) -> None:
    shop.platforms[channel].trades[number].amount -= 1


def _gives_back(shop: TwoChannels, channel: Channel, number: str) -> None:
    shop.platforms[channel].trades[number].refunds["r"] = 7


def _stranger(shop: TwoChannels, channel: Channel, number: str) -> None:
    trade = shop.platforms[channel].trades.pop(number)
    trade.number = f"x{number}"
    shop.platforms[channel].trades[trade.number] = trade


MISSING = "{0} {1}", "captured, but the platform knows of no payment"
BREAKS_OF_A_TRADE: list[tuple[Harm, list[tuple[str, str]]]] = [
    (_forgets, [MISSING]),
    (_not_paid, [("{0} {1}", "the platform took 0 fen, we say 19000"), MISSING]),
    (_takes_less, [("{0} {1}", "the platform took 18999 fen, we say 19000")]),
    (_gives_back, [("{0} {1}", "the platform gave back 7 fen, we say 0")]),
    (_stranger, [("{0} x{1}", "the platform has a trade that we do not know"), MISSING]),
]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("harm", "expected"), BREAKS_OF_A_TRADE)
async def test_a_break_is_found_on_its_channel(
    shop: TwoChannels, channel: Channel, harm: Harm, expected: list[tuple[str, str]]
) -> None:
    """Each way in which a ledger and we differ is found on its channel alone, and nothing else is."""
    number = first_of(shop, channel)
    harm(shop, channel, number)
    assert found(await shop.look()) == [
        ("P12", subject.format(channel, number), detail) for subject, detail in expected
    ]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_trade_in_the_ledger_of_the_other_channel_is_no_proof(shop: TwoChannels, channel: Channel) -> None:
    """A payment is missed on its own channel although the other platform has a trade of its number and amount."""
    number, other = first_of(shop, channel), OTHER[channel]
    shop.platforms[other].trades[number] = shop.platforms[channel].trades.pop(number)
    assert found(await shop.look()) == [
        ("P12", f"{other} {number}", "the platform has a trade that we do not know"),
        ("P12", f"{channel} {number}", "captured, but the platform knows of no payment"),
    ]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_break_is_listed_on_its_channel(shop: TwoChannels, channel: Channel) -> None:
    """A difference counts as known when it is on the list of breaks under its own channel, not under the other."""
    number = first_of(shop, channel)
    _not_paid(shop, channel, number)
    _listed(shop, OTHER[channel], number)
    assert [subject for _, subject, _ in found(await shop.look())] == [f"{channel} {number}"] * 2
    _listed(shop, channel, number)
    assert found(await shop.look()) == []


async def test_a_silent_platform_hides_nothing_of_the_other(shop: TwoChannels) -> None:
    """What a platform that does not answer would say is not guessed; the other's ledger is compared."""
    number = first_of(shop, "otherpay")
    _forgets(shop, "otherpay", number)

    async def silent(after: str | None) -> Sequence[Trade]:
        raise PlatformUnavailable(f"behind {after} it is dark")

    assert found(await shop.look(testpay=silent)) == [
        ("P12", "testpay", "the platform does not answer, so its trades are not compared: behind None it is dark"),
        ("P12", f"otherpay {number}", "captured, but the platform knows of no payment"),
    ]


async def test_a_ledger_without_end_is_given_up(shop: TwoChannels) -> None:
    """A ledger that gives its first page again and again is a finding, not an audit without end."""

    async def turning(after: str | None) -> Sequence[Trade]:
        del after
        return await Ledger(shop.platforms["testpay"])(None)

    [(promise, subject, detail)] = found(await shop.look(testpay=turning))
    assert (promise, subject) == ("P12", "testpay")
    assert "begins anew" in detail


async def test_a_channel_that_nobody_asks_about_is_found(shop: TwoChannels) -> None:
    """Money taken on a channel whose ledger the audit was not given is not taken on trust."""
    number = first_of(shop, "otherpay")
    shop.rooms["payments"].database.connection.execute(
        "UPDATE payments SET channel = 'thirdpay' WHERE payment_id = ?", (int(number),)
    )
    shop.rooms["payments"].database.connection.execute(
        "UPDATE notifications SET channel = 'thirdpay' WHERE number = ?", (number,)
    )
    assert found(await shop.look()) == [
        ("P12", f"otherpay {number}", "the platform has a trade that we do not know"),
        ("P12", f"thirdpay {number}", "captured, but nobody asks this channel's platform"),
    ]


async def test_a_break_of_another_promise_is_found_on_databases_alone(shop: TwoChannels) -> None:
    """The other promises are checked, too, where nothing runs any more."""
    order = await shop.place("lost")
    _unpaid_for_good(shop, order)
    assert found(await shop.look()) == [
        ("P10", str(order.order_id), "CONFIRMED and UNPAID, and nothing will end it"),
    ]


def test_the_checks_need_neither_http_nor_a_host() -> None:
    """Whoever has databases can look: importing the checks brings in no HTTP client and nothing that runs services."""
    code = "import sys, makegood.audit; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    imported = set(modules.stdout.split())
    assert "makegood.audit.platform" in imported
    assert not imported & {"httpx", "apsw", "makegood.engine.host", "makegood.engine.runtime"}


def _listed(shop: TwoChannels, channel: Channel, number: str) -> None:
    row = BreakRow(CHANNELS.index(channel) + 1, f"{channel}:{number}", "amount_mismatch", channel, number, "", 0, 0, "")
    shop.rooms["payments"].transact(lambda tx: tx.insert(BREAKS, [row]))


def _unpaid_for_good(shop: TwoChannels, order: Order) -> None:
    connection = shop.rooms["orders"].database.connection
    connection.execute("UPDATE orders SET due_at = NULL WHERE order_id = ?", (order.order_id,))
