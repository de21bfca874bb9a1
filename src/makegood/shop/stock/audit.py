"""Checks stock's promises in one snapshot, from the lines that orders hold, never from a counter."""

from collections import Counter
from collections.abc import Iterator

from makegood.engine.database.transaction import Reader
from makegood.shop.audit_types import Check, Checked, stream
from makegood.shop.reservation_query import held as held_orders
from makegood.shop.reservation_query import taken_rows
from makegood.shop.stock.tables import BOUGHT, GOODS, RESERVATIONS, Taken

SLICE = 100_000
"""Pairs of buyer and SKU that are counted in one pass over the reservations."""

Pair = tuple[str, str]


def audit(reader: Reader, slice_size: int = SLICE) -> list[Checked]:
    """P1, and P6 for what buyers have bought so far; a larger slice takes more memory and fewer passes."""
    return [_check_goods(reader), _check_bought(reader, slice_size)]


def held(reader: Reader, after: int | None = None) -> Iterator[int]:
    """The orders that hold stock, by order id, behind `after`."""
    return held_orders(RESERVATIONS, reader, after)


def _check_goods(reader: Reader) -> Checked:
    """Stock is never below zero; on hand + held by orders = loaded. One counter for each SKU is in memory."""
    check = Check("P1")
    holding = Counter[str]()
    for _, taken in taken_rows(RESERVATIONS, reader):
        for line in taken.lines:
            holding[line.sku] += line.quantity
    for good in stream(reader, GOODS):
        check.examined += 1
        pieces = holding.pop(good.sku, 0)
        if good.stock < 0:
            check.broken(good.sku, f"stock is {good.stock}")
        if good.stock + pieces != good.loaded:
            check.broken(good.sku, f"{good.stock} on hand + {pieces} held by orders are not {good.loaded} loaded")
    for sku, pieces in holding.items():
        check.broken(sku, f"{pieces} are held by orders, but there is no such SKU")
    return check.checked()


def _check_bought(reader: Reader, slice_size: int) -> Checked:
    """What a buyer has bought so far is what their orders hold and counted, slice by slice of the pairs."""
    check = Check("P6")
    low: Pair | None = None
    while True:
        rows = reader.page(BOUGHT, after=low, limit=slice_size)
        high = BOUGHT.key_of(rows[-1]) if len(rows) == slice_size else None
        counted = _counted(reader, low, high)
        check.examined += len(rows)
        for row in rows:
            pieces = counted.pop((row.user, row.sku), 0)
            if row.quantity != pieces or not pieces:
                check.broken(f"{row.user} {row.sku}", f"bought so far is {row.quantity}, held by orders {pieces}")
        for (user, sku), pieces in counted.items():
            check.broken(f"{user} {sku}", f"bought so far is missing, held by orders {pieces}")
        if high is None:
            return check.checked()
        low = high


def _counted(reader: Reader, low: Pair | None, high: Pair | None) -> Counter[Pair]:
    counted = Counter[Pair]()
    for _, taken in taken_rows(RESERVATIONS, reader):
        for pair, pieces in _pairs(taken):
            if (low is None or pair > low) and (high is None or pair <= high):
                counted[pair] += pieces
    return counted


def _pairs(taken: Taken) -> Iterator[tuple[Pair, int]]:
    for line in taken.lines if taken.counted else ():
        if line.sku in taken.counted:
            yield (taken.user, line.sku), line.quantity
