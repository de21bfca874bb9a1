"""Waits until the shop and the sandbox have nothing left to do: no queue, no message, no notification."""

import asyncio
from collections.abc import Callable

from makegood.replay.client import ShopClient

PAUSE = 0.5
"""Seconds between two looks."""


async def drain(shop: ShopClient, timeout: float, on_look: Callable[[int], None]) -> None:
    """Returns when a program told and nothing waits, or `timeout` seconds are over; `on_look` hears what is left.

    What the programs do not count is left to the proof, which looks again at whatever is not right yet.
    """
    clock = asyncio.get_running_loop().time
    give_up = clock() + timeout
    while clock() < give_up:
        looks = [seen for seen in (await shop.figures(), await shop.sandbox_figures()) if seen is not None]
        if looks:
            waiting = sum(seen.waiting for seen in looks)
            on_look(waiting)
            if not waiting:
                return
        await asyncio.sleep(PAUSE)
