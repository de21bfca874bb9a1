"""The broker as the engine sees it: messages with topic and tag in, batches of deliveries by consumer group out.

Delivery is at least once: a listener must bear repeats. A delivery that is neither acknowledged nor deferred within
`INVISIBLE` seconds is delivered again, to this consumer or another of its group. At most a fixed number of a group's
deliveries are out at a time. What a message may be made of: `limits.py`.

Order is promised to groups that subscribe `ordered`, for the messages of one topic with the same sequence: they come
in the order in which they were published, each publish after the one before had returned. A receive may bring several
of them, in their order; until all of these are acknowledged the group gets no later one of that sequence. What was
not acknowledged comes again, perhaps with some that came after it, before anything that is later still.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

MAX_BODY = 1024 * 1024
"""Largest body of one message, in bytes; a larger one is refused with ValueError."""
INVISIBLE = 30.0
"""Seconds after which an unacknowledged delivery comes again."""


class Message(msgspec.Struct, frozen=True):
    """What is sent. `message_id` is the sender's own and survives re-sending; `deliver_at` is ms UTC, 0 for now.

    Those of one topic with the same `sequence` keep their order; without one a message has none.
    """

    topic: str
    message_id: str
    body: bytes
    tag: str = ""
    key: str = ""
    properties: dict[str, str] = {}
    deliver_at: int = 0
    sequence: str = ""


class Delivery(msgspec.Struct, frozen=True):
    """A message as it reaches one group, for the `attempt`th time (from 1); `receipt` is the broker's own."""

    message: Message
    attempt: int
    receipt: str


class GroupStats(msgspec.Struct, frozen=True):
    """How far a group is behind: messages not acknowledged, and the age of the oldest in ms (0 without one)."""

    group: str
    backlog: int
    oldest: int


class Subscription(Protocol):
    """One consumer of one group."""

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """Up to `limit` deliveries; waits at most `wait` seconds for the first. Raises BrokerUnavailable.

        It raises so too once the subscription or the broker is closed, even while it waits.
        """
        ...

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done with; if this is lost they come again. Raises BrokerUnavailable."""
        ...

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Deliver these again, not before `delay` seconds from now. Raises BrokerUnavailable."""
        ...

    async def close(self) -> None:
        """Stops receiving; what was not acknowledged is delivered again later."""
        ...


Groups = Mapping[str, Mapping[str, frozenset[str]]]
"""Consumer groups: by topic the tags that each of them wants, an empty set for all."""


class Broker(Protocol):
    """Takes messages and keeps them until every group has them, or they are past their retention."""

    async def declare(self, groups: Groups) -> None:
        """From its return these groups get what is published, though nobody may consume for them yet.

        A known group goes on getting what it wanted before, too. Raises BrokerUnavailable, also while it has consumers
        that want less, and ValueError for names that no broker could serve.
        """
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Stores all of them durably before it returns. Raises BrokerUnavailable: then send them again.

        Raises ValueError for a message that no broker could take; then none of them is stored.
        """
        ...

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> Subscription:
        """Joins `group` for these topics and tags; an empty set of tags is all of them.

        A group that is new gets what is published from now on; a known one goes on where it was. All consumers of
        a group want the same topics and tags, and are `ordered` or not. Raises ValueError for names that no broker
        could serve.
        """
        ...

    async def close(self) -> None:
        """Ends every subscription and lets go of the store."""
        ...
