"""Asks the shop, through its own HTTP API, for all that the data set says it must hold.

Messages may still be on their way: what differs is looked at again, until nothing does or time is up. A
household's answers are compared, summed and forgotten, so a year of orders is never held at once.
"""

import asyncio
from collections.abc import Callable

import msgspec

from makegood.replay.baskets import user_of
from makegood.replay.client import ShopClient
from makegood.replay.compare import (
    Difference,
    Differences,
    HouseholdActual,
    Tally,
    compare_figures,
    compare_goods,
    compare_household,
    compare_sold,
)
from makegood.replay.expected import Expected, Figures
from makegood.replay.parallel import spread

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0


class Proof(msgspec.Struct, frozen=True):
    """The shop's own figures, and all that differs from the expected."""

    actual: Figures
    differences: Differences


class Prover:
    """Looks at the shop for at most `timeout` seconds and one last look; `concurrency` households at a time."""

    def __init__(
        self,
        shop: ShopClient,
        expected: Expected,
        *,
        concurrency: int,
        timeout: float,
        on_household: Callable[[], None],
    ) -> None:
        self._shop = shop
        self._expected = expected
        self._concurrency = concurrency
        self._timeout = timeout
        self._on_household = on_household
        self._tally = Tally()

    async def prove(self) -> Proof:
        """Only the households of the data set, and the goods of a replay, are looked at."""
        give_up = asyncio.get_running_loop().time() + self._timeout
        differences = await self._households(give_up)
        goods = await self._goods(give_up)
        actual = self._tally.figures(self._expected.skus)
        differences.add(compare_figures(self._expected.figures, actual))
        differences.add(goods)
        differences.add(compare_sold(self._expected, self._tally.sold))
        return Proof(actual, differences)

    async def _households(self, give_up: float) -> Differences:
        pending, wait = list(self._expected.households), _FIRST_WAIT
        while True:
            last = self._is_over(give_up)
            pending, differences = await self._look(pending, last)
            if last or not pending:
                return differences
            wait = await _back_off(wait)

    async def _look(self, households: list[int], last: bool) -> tuple[list[int], Differences]:
        failing: list[int] = []
        differences = Differences()

        async def look(household: int) -> None:
            if found := await self._look_at(household, last):
                differences.add(found)
                failing.append(household)

        await spread(households, look, self._concurrency)
        return failing, differences

    async def _look_at(self, household: int, last: bool) -> list[Difference]:
        user = user_of(household)
        actual = HouseholdActual(await self._shop.me(user), await self._shop.orders(user))
        found = compare_household(household, self._expected.households[household], actual)
        if last or not found:
            self._tally.add(actual)
            self._on_household()
        return found

    async def _goods(self, give_up: float) -> list[Difference]:
        user, wait = user_of(next(iter(self._expected.households))), _FIRST_WAIT
        while True:
            last = self._is_over(give_up)
            goods = [good async for good in self._shop.goods(user)]
            found = list(compare_goods(self._expected.skus, goods))
            if last or not found:
                return found
            wait = await _back_off(wait)

    def _is_over(self, give_up: float) -> bool:
        return asyncio.get_running_loop().time() >= give_up


async def _back_off(wait: float) -> float:
    await asyncio.sleep(wait)
    return min(wait * 2, _LONGEST_WAIT)
