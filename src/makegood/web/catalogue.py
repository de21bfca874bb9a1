"""What is on sale, and what it would cost."""

from typing import Annotated
from urllib.parse import unquote

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from makegood.engine.deadline import Deadline
from makegood.shop.orders import contracts as orders
from makegood.shop.stock import contracts as stock
from makegood.shop.stock.contracts import Good
from makegood.shop.types import Sku
from makegood.web import requests
from makegood.web.access import EITHER, USER, Access, UserRequest
from makegood.web.bodies import read, takes
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import NewQuote
from makegood.web.views import GoodsList, QuoteView

TIMEOUT = 5.0
"""Seconds to wait for the services."""
Limit = Annotated[int, QueryParameter(ge=1, le=1_000, description="Most rows of the page")]
After = Annotated[str | None, QueryParameter(max_length=1_024, description="The `next` of the page before")]
_GOOD = "/api/goods/"


def routes(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    """GET /api/goods, GET /api/goods/{sku}, POST /api/quotes."""

    @get("/api/goods", guards=[access.either], security=EITHER)
    async def goods(after: After = None, limit: Limit = 100) -> GoodsList:
        """The goods in SKU order."""
        found = await shop.call(stock.GOODS, stock.GoodsPage(after, limit), Deadline.after(TIMEOUT))
        return GoodsList(found.goods, found.next)

    @get("/api/goods/{sku:path}", guards=[access.either], security=EITHER)
    async def good(request: UserRequest) -> Good:
        """One of the goods; a slash in its SKU is written %2F."""
        sku = _sku(request)
        found = await shop.call(stock.FIND, stock.FindGoods((sku,)), Deadline.after(TIMEOUT))
        if not found.goods:
            raise Problem("not_found")
        return found.goods[0]

    @post("/api/quotes", status_code=200, guards=[access.user], security=USER, opt=takes(NewQuote))
    async def quote(request: UserRequest) -> QuoteView:
        """What an order would cost now; nothing is reserved."""
        wanted = requests.quote(await read(request, NewQuote), request.user)
        quoted = await shop.call(orders.QUOTE, wanted, Deadline.after(TIMEOUT))
        if quoted.refusal:
            raise Problem(quoted.refusal)
        return QuoteView(quoted.goods_amount, quoted.shipping_fee, quoted.discount, quoted.balance, quoted.amount_due)

    return [goods, good, quote]


def _sku(request: UserRequest) -> str:
    # The framework's path has lost which slashes were part of the SKU.
    path = bytes(request.scope["raw_path"]).partition(b"?")[0].decode("latin-1")
    try:
        return msgspec.convert(unquote(path[len(_GOOD) :]), Sku)
    except msgspec.ValidationError as error:
        raise Problem("not_found") from error
