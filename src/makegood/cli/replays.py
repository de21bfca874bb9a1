"""Replaying dead letters through the operators' API, and waiting a little to see what becomes of each."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from makegood.operators.client import OperatorClient

PATIENCE = 15.0
"""Seconds to wait for what was replayed to be tried."""
LOOK_EVERY = 0.25
"""Seconds between looks."""


class Replay(NamedTuple):
    """What became of a dead letter: `waiting` has not been tried yet, `error` is why it has failed again."""

    id: str
    replayed: bool
    outcome: Literal["handled", "failed", "waiting", "gone"]
    error: str = ""


async def replay(operator: OperatorClient, ids: Sequence[str]) -> list[Replay]:
    """Replays at most 100, and answers when each was tried or patience is at its end. Raises OperatorError."""
    there = {one["id"]: one["outcome"] == "replayed" for one in await operator.replay(ids)}
    replayed = [id for id in ids if there[id]]
    looked = await _until_tried(operator, replayed)
    return [_outcome(id, looked[id]) if there[id] else Replay(id, False, "gone") for id in ids]


async def _until_tried(operator: OperatorClient, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    found: dict[str, dict[str, Any]] = {}
    waiting = list(ids)
    while waiting:
        found |= {one["id"]: one for one in await operator.outcomes(waiting)}
        waiting = [id for id in waiting if found[id]["outcome"] == "waiting"]
        if loop.time() >= until:
            break
        await asyncio.sleep(LOOK_EVERY if waiting else 0)
    return found


def _outcome(id: str, looked: dict[str, Any]) -> Replay:
    match looked["outcome"]:
        case "gone":
            return Replay(id, True, "handled")
        case "failed":
            return Replay(id, True, "failed", looked["dead_letter"]["error"])
        case _:
            return Replay(id, True, "waiting")
