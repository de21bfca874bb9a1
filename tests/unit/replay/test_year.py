"""The whole data set, against figures that were counted beforehand."""

import pytest

from makegood.replay import dataset
from makegood.replay.expected import Expected, expect

from .rows import RULE


@pytest.fixture(scope="session")
def year() -> Expected:
    """Everything expected of the whole year."""
    return expect(dataset.lines(dataset.folder() / "transactions.parquet"), RULE)


def test_the_year_is_as_counted(year: Expected) -> None:
    """Every figure of the year comes out to the line and the fen."""
    dropped, figures = year.dropped, year.figures
    assert (dropped.lines, dropped.no_quantity, dropped.no_amount) == (11_269, 8_869, 2_400)
    assert (dropped.baskets, dropped.coupons) == (480, 656_929)
    assert (year.kept_lines, figures.lines, figures.orders) == (1_458_038, 1_458_038, 155_368)
    assert (figures.households, figures.products, figures.skus) == (2_469, 68_192, 214_984)
    assert figures.goods_amount == 460_056_971
    assert figures.goods_amount - figures.discount == 457_623_645
    assert (figures.orders_with_coupon, figures.discount) == (8_103, 2_433_326)
    assert year.pack_lines == 43_846
    assert figures.amount_due == 457_623_645 - figures.balance + figures.shipping_fee
