"""Takes in a load file's goods: totals ever loaded, so that loading the same again changes nothing."""

from collections.abc import Mapping, Sequence

from makegood.engine.database.transaction import Transaction
from makegood.shop.stock.contracts import Loaded, LoadGood, LoadGoods
from makegood.shop.stock.tables import GOODS, GoodRow


def load_goods(tx: Transaction, request: LoadGoods) -> Loaded:
    """Checks every row, and takes in all of them or none."""
    known = tx.lock(GOODS, [good.sku for good in request.goods])
    problems = _problems(request.goods, known)
    if problems or not request.apply:
        return Loaded(problems=tuple(problems))
    new = [_new(good) for good in request.goods if good.sku not in known]
    changed = [known[good.sku] for good in request.goods if good.sku in known and _change(known[good.sku], good)]
    tx.insert(GOODS, new)
    tx.update(GOODS, changed)
    return Loaded(added=len(new), changed=len(changed))


def _problems(goods: Sequence[LoadGood], known: Mapping[str, GoodRow]) -> list[str]:
    problems: list[str] = []
    seen: set[str] = set()
    for good in goods:
        if problem := _problem(good, known.get(good.sku), seen):
            problems.append(problem)
        seen.add(good.sku)
    return problems


def _problem(good: LoadGood, there: GoodRow | None, seen: set[str]) -> str:
    if good.sku in seen:
        return f"SKU {good.sku}: it is listed twice; keep one row"
    if there is None:
        return ""
    if good.price != there.price:
        return f"SKU {good.sku}: its price is {there.price} fen, not {good.price}; a price cannot be changed"
    if there.stock + good.stock - there.loaded < 0:
        sold = there.loaded - there.stock
        return f"SKU {good.sku}: {good.stock} ever loaded would leave stock below zero, for {sold} are sold"
    return ""


def _new(good: LoadGood) -> GoodRow:
    return GoodRow(good.sku, good.title, good.price, good.stock, good.stock, good.limit)


def _change(there: GoodRow, good: LoadGood) -> bool:
    if (there.title, there.loaded, there.buyer_limit) == (good.title, good.stock, good.limit):
        return False
    there.stock += good.stock - there.loaded
    there.title, there.loaded, there.buyer_limit = good.title, good.stock, good.limit
    return True
