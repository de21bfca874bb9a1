"""The platforms' own doors, and what goes wrong at them when that is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from .calls import Call, Reply
from .faults import Kind, Trouble

Answering = Callable[[Call], Awaitable[Reply]]


class Door(Protocol):
    """Where a platform's merchants ask."""

    platform: str

    async def answer(self, call: Call) -> Reply:
        """The answer to a request."""
        ...

    async def fail(self, call: Call, kind: Kind) -> Reply:
        """What is said when the request is refused for its frequency, or the platform fails."""
        ...


class Given(NamedTuple):
    """An answer, which may break off on its way."""

    reply: Reply
    breaks: bool = False


async def troubled(trouble: Trouble, door: Door, call: Call, answering: Answering) -> Given:
    """The answer to a request, with whatever the faults in force have happen to it."""
    subject = trouble.next_call(door.platform)
    if rule := trouble.happens(Kind.SLOW, door.platform, subject):
        await asyncio.sleep(trouble.seconds(rule, subject))
    if trouble.happens(Kind.RATE_LIMITED, door.platform, subject):
        return Given(await door.fail(call, Kind.RATE_LIMITED))
    if trouble.happens(Kind.SERVER_ERROR, door.platform, subject):
        if trouble.size("after its effect", subject) < 0.5:
            await answering(call)
        return Given(await door.fail(call, Kind.SERVER_ERROR))
    reply = await answering(call)
    return Given(reply, trouble.happens(Kind.ANSWER_LOST, door.platform, subject) is not None)
