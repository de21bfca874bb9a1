"""What an adapter may give to the service, whatever a platform said: nothing that could not be stored or shown."""

from makegood.shop.payments.bill_days import date_of, day_of
from makegood.shop.payments.gateways.port import MAX_AMOUNT, BillLine, Notice, Trade
from makegood.times import rfc3339

LONGEST_NUMBER = 128
"""Most characters that the tables hold of a platform's number, and of a merchant's."""


def assert_sound_notice(told: Notice) -> None:
    """A notice that can be written down and looked at."""
    assert told.notify_id
    _assert_amount(told.amount)
    _assert_moment(told.occurred_at)
    for number in (told.notify_id, told.payment_id, told.trade_no, told.refund_id):
        _assert_number(number)
    for name, value in told.raw.items():
        assert (name + value).encode()


def assert_sound_trade(trade: Trade) -> None:
    """A trade that can be."""
    _assert_amount(trade.amount)
    _assert_number(trade.trade_no)
    if trade.paid_at is not None:
        _assert_moment(trade.paid_at)


def assert_sound_lines(lines: list[BillLine]) -> None:
    """Lines of a bill that can be compared, and listed where they differ."""
    for line in lines:
        _assert_amount(line.amount)
        _assert_moment(line.at)
        for number in (line.number, line.refund_number, line.trade_no):
            _assert_number(number)


def _assert_amount(amount: int) -> None:
    assert type(amount) is int
    assert 0 <= amount <= MAX_AMOUNT


def _assert_moment(at: int) -> None:
    assert rfc3339(at).endswith("Z")
    assert date_of(day_of(at) + 1)


def _assert_number(number: str) -> None:
    assert len(number) <= LONGEST_NUMBER
    assert number.encode() or not number
