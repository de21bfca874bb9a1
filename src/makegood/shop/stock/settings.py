"""What can be set about stock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StockSettings:
    """How stock is sold.

    `buyer_limit`: how many pieces of one SKU a buyer may have in all, for goods without a limit of their own;
    None, the default, is any number. It counts what is bought while it is on.
    """

    buyer_limit: int | None = None

    def __post_init__(self) -> None:
        if self.buyer_limit is not None and self.buyer_limit < 1:
            raise ValueError(f"buyer_limit is {self.buyer_limit}: give a number of pieces from 1, or leave it out")
