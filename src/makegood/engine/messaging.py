"""Sending messages from a program, in the manner of RocketMQ's template.

A service that must not send without its commit says `tx.send(…)` instead.
"""

from makegood.engine.broker.port import Broker, Message
from makegood.engine.messages import FORMAT, convert
from makegood.engine.world import World


class Messaging:
    """A producer: whatever it is given, it turns into a message."""

    def __init__(self, broker: Broker, world: World) -> None:
        self._broker = broker
        self._world = world

    async def convert_and_send(
        self, topic: str, payload: object, *, key: str = "", tag: str = "", delay: float = 0.0, sequence: str = ""
    ) -> str:
        """Sends str, bytes, a struct or a JSON-able object; returns the message's id once the broker has stored it.

        `delay` in seconds. Messages of a topic with the same `sequence` reach listeners that are `ordered` in the
        order in which they were sent, each after the one before had returned; they have no delay. Raises TypeError for
        another payload, ValueError for one that is too large or a topic that cannot be, and BrokerUnavailable when
        nobody knows whether it is stored: send it again.
        """
        if delay < 0:
            raise ValueError(f"delay is {delay}: use 0 or more seconds")
        body, kind = convert(payload)
        message_id = self._world.random_bytes(16).hex()
        deliver_at = self._world.now() + int(delay * 1000) if delay else 0
        message = Message(topic, message_id, body, tag, key, {FORMAT: kind}, deliver_at, sequence)
        await self._broker.publish([message])
        return message_id
