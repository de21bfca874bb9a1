"""Reads the sandbox's ledger of trades over HTTP, from its `/control/trades`."""

from typing import NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec

from makegood.audit.platform import PlatformUnavailable, Trade

PAGE = 500
"""Trades asked for at a time."""
TIMEOUT = 10.0
"""Seconds for one page of trades."""


class Product(NamedTuple):
    """What the sandbox calls a platform and its product."""

    platform: str
    name: str


PRODUCTS = {
    "alipay": Product("alipay", "precreate"),
    "alipay_page": Product("alipay", "page"),
    "wechatpay": Product("wechatpay", "native"),
    "wechatpay_h5": Product("wechatpay", "h5"),
    "stripe": Product("stripe", "checkout"),
}
"""The sandbox's products by the channels that the shop has for them."""


class _SandboxTrade(msgspec.Struct, frozen=True):
    """What the sandbox says of a trade, as far as it is compared; amounts in fen."""

    id: str
    out_trade_no: str
    amount: int
    refunded: int
    paid_at: str | None


class _Page(msgspec.Struct, frozen=True):
    trades: tuple[_SandboxTrade, ...]


class SandboxTrades:
    """Implements `Trades` for one product in the sandbox at `url`."""

    def __init__(self, url: str, http: httpx.AsyncClient, product: Product) -> None:
        self._url = url
        self._http = http
        self._product = product

    async def __call__(self, after: str | None) -> list[Trade]:
        """The next trades behind the one with this id. Raises PlatformUnavailable."""
        platform, product = self._product
        asked = {"after": after or 0, "limit": PAGE, "platform": platform, "product": product}
        url = f"{self._url}/control/trades?{urlencode(asked)}"
        try:
            answer = await self._http.get(url, timeout=TIMEOUT)
            answer.raise_for_status()
            page = msgspec.json.decode(answer.content, type=_Page)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise PlatformUnavailable(f"{error!r}; see whether the sandbox runs at {self._url}") from error
        return [_trade(one) for one in page.trades]


def sandbox_ledgers(url: str, http: httpx.AsyncClient) -> dict[str, SandboxTrades]:
    """The ledger of each channel whose platform is the sandbox."""
    return {channel: SandboxTrades(url, http, product) for channel, product in PRODUCTS.items()}


def _trade(told: _SandboxTrade) -> Trade:
    return Trade(told.id, told.out_trade_no, told.amount if told.paid_at else 0, told.refunded)
