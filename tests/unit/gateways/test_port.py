"""What the port takes before any platform is asked."""

import pytest

from makegood.shop.payments.gateways.port import MAX_AMOUNT, OpenPayment, RefundPayment


@pytest.mark.parametrize("number", ["", "a" * 33, "P-1", "P 1", "支付", "P1\n"])
def test_number_no_platform_takes(number: str) -> None:
    """A trade number that some platform would refuse is refused before it is stored anywhere else."""
    with pytest.raises(ValueError, match="payment number"):
        OpenPayment(number, 100, "tea", 1, "https://shop.test/notify")


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1])
def test_amount_no_platform_takes(amount: int) -> None:
    """Nothing, less than nothing and more than a platform takes cannot be asked for."""
    with pytest.raises(ValueError, match="fen"):
        OpenPayment("P1", amount, "tea", 1, "https://shop.test/notify")


def test_empty_subject() -> None:
    """A payment says what is bought."""
    with pytest.raises(ValueError, match="subject"):
        OpenPayment("P1", 100, "  ", 1, "https://shop.test/notify")


def test_largest_payment_and_its_whole_refund() -> None:
    """The limits themselves are allowed."""
    assert OpenPayment("a" * 32, MAX_AMOUNT, "tea", 1, "").amount == MAX_AMOUNT
    assert RefundPayment("P1", "R1", MAX_AMOUNT, "", captured=MAX_AMOUNT).amount == MAX_AMOUNT


def test_refund_of_more_than_was_captured() -> None:
    """No refund can ask for more than came in."""
    with pytest.raises(ValueError, match="refund at most"):
        RefundPayment("P1", "R1", 101, "", captured=100)


def test_refund_number_no_platform_takes() -> None:
    """A refund number is what makes a repeat harmless, so it must be one that platforms keep."""
    with pytest.raises(ValueError, match="refund number"):
        RefundPayment("P1", "R/1", 100, "", captured=100)
