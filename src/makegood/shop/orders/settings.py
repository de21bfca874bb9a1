"""What a shop can set about its orders."""

from dataclasses import dataclass

from makegood.shop.types import MAX_FEN

LONGEST = 15 * 86_400.0
"""Seconds for which payment platforms keep a payment open at most."""


@dataclass(frozen=True)
class OrdersSettings:
    """Amounts in fen, times in seconds.

    An order of goods worth `free_from` or more is shipped free, any other for `shipping_fee`. It must be decided
    within `decide_within`, during which a participant that does not answer within `attempt_timeout` is asked again;
    once confirmed it must be paid within `pay_within`. A cancel that is not settled after `cancel_wait` is
    answered as undecided.
    """

    shipping_fee: int = 600
    free_from: int = 9_900
    decide_within: float = 5.0
    attempt_timeout: float = 1.5
    pay_within: float = 900.0
    cancel_wait: float = 5.0

    def __post_init__(self) -> None:
        """Refuses what cannot work; raises ValueError."""
        if not 0 <= self.shipping_fee <= MAX_FEN or self.free_from < 0:
            raise ValueError(f"shipping_fee and free_from are amounts in fen: make them 0 or more, at most {MAX_FEN}")
        if not 0 < self.attempt_timeout < self.decide_within:
            raise ValueError(
                "attempt_timeout must be more than 0 and less than decide_within: a lost reply is asked again"
            )
        if not (self.pay_within > 0 and 0 < self.cancel_wait <= LONGEST):
            raise ValueError("pay_within and cancel_wait are seconds: make them more than 0")
        if not self.decide_within < self.pay_within <= LONGEST:
            raise ValueError(f"pay_within must be more than decide_within and at most {LONGEST:.0f} s, 15 days")

    def fee_for(self, goods_amount: int) -> int:
        """What shipping goods of this amount costs, in fen."""
        return 0 if goods_amount >= self.free_from else self.shipping_fee
