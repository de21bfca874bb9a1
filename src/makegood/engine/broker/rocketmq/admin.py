"""What name servers and brokers are asked directly: where topics are, that they exist, and what proxies do not take.

A proxy refuses delayed messages, and those of a sequence, in a topic that has others, too; a broker does not.

Request codes and fields: RequestCode.java and the headers beside it of apache/rocketmq.
"""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from makegood.engine.broker.port import Message
from makegood.engine.broker.rocketmq import wire
from makegood.engine.broker.rocketmq.remoting import OK, Answer, Remoting
from makegood.engine.broker.rocketmq.settings import RocketmqSettings, addresses
from makegood.engine.errors import BrokerUnavailable

SEND_MESSAGE, UPDATE_TOPIC, GET_ROUTE, GET_CLUSTER = 10, 17, 105, 106
TOPIC_MISSING = 17
"""The answer's code when a topic does not exist."""
READ, WRITE = 4, 2
"""Bits of a queue's permissions."""
REFRESH = 30.0
"""Seconds for which a sequence's queue is believed to be where it was."""
LONGEST_DELAY = 2 * 86_400_000
"""Milliseconds for which a broker is asked to hold a message; by default it refuses three days."""


class Place(NamedTuple):
    """A broker's share of a topic; `address` is the master's."""

    broker: str
    address: str
    readable: int
    writable: int


class Admin:
    """The remoting connections of one process. All of it raises BrokerUnavailable."""

    def __init__(self, settings: RocketmqSettings) -> None:
        self._settings = settings
        self._connections: dict[tuple[str, int], Remoting] = {}
        self._name_servers = settings.name_servers()
        self._creating = asyncio.Lock()
        self._sent = 0
        self._placed: dict[str, tuple[float, list[Place]]] = {}

    async def masters(self) -> dict[str, str]:
        """The address of each broker's master, by the broker's name."""
        found = (await self._look_up(GET_CLUSTER, {})).json()
        table: dict[str, Any] = found.get("brokerAddrTable") or {}
        brokers = {name: table[name]["brokerAddrs"].get("0") for name in sorted(table)}
        if not any(brokers.values()):
            raise BrokerUnavailable(
                "RocketMQ's name server knows no master broker: start one, or wait for its heartbeat"
            )
        return {name: address for name, address in brokers.items() if address}

    async def places(self, topic: str) -> list[Place]:
        """Where a topic is; empty when it does not exist."""
        answer = await self._look_up(GET_ROUTE, {"topic": topic, "acceptStandardJsonOnly": "true"})
        if answer.code == TOPIC_MISSING:
            return []
        found = _done(answer, f"looking for topic {topic}").json()
        masters = {one["brokerName"]: one["brokerAddrs"].get("0") for one in found["brokerDatas"]}
        return [_place(queues, masters) for queues in found["queueDatas"] if masters.get(queues["brokerName"])]

    async def make_topic(self, topic: str) -> list[Place]:
        """Where a topic is; it is created on every master when it is nowhere."""
        async with self._creating:
            places = await self.places(topic)
            if not places:
                for address in (await self.masters()).values():
                    await self.ask(address, UPDATE_TOPIC, self._new_topic(topic), f"creating topic {topic}")
                places = await self.places(topic)
            if not places:
                raise BrokerUnavailable(f"RocketMQ's name server does not know of topic {topic} yet: try again")
            return places

    async def send_later(self, message: Message, now: int) -> None:
        """Stores a delayed message."""
        places = await self._writable(message.topic)
        self._sent += 1
        place = places[self._sent % len(places)]
        due = min(message.deliver_at, now + LONGEST_DELAY)
        properties = {"TIMER_DELIVER_MS": str(due), wire.DELIVER_AT: str(message.deliver_at)}
        await self._send(message, place, self._sent // len(places) % place.writable, properties, now)

    async def send_in_order(self, message: Message, now: int) -> None:
        """Stores a message in its sequence's queue: the same one as long as the topic's brokers and queues are."""
        known = self._placed.get(message.topic)
        if known is None or _now() - known[0] >= REFRESH:
            known = self._placed[message.topic] = (_now(), await self._writable(message.topic))
        group = wire.plain(message).sequence
        place = max(known[1], key=lambda place: (_hash(f"{place.broker} {group}"), place.broker))
        try:
            await self._send(message, place, _hash(group) % place.writable, {wire.SHARDING_KEY: group}, now)
        except BrokerUnavailable:
            self._placed.pop(message.topic, None)
            raise

    async def ask(self, address: str, code: int, fields: Mapping[str, str], doing: str, body: bytes = b"") -> Answer:
        """A broker's answer, when it says that it is done."""
        return _done(await self.try_asking(address, code, fields, body), doing)

    async def try_asking(self, address: str, code: int, fields: Mapping[str, str], body: bytes = b"") -> Answer:
        """A broker's answer, whatever it says."""
        [where] = addresses(address)
        return await self._connection(where).call(code, fields, body)

    def close(self) -> None:
        """Lets go of every connection."""
        for connection in self._connections.values():
            connection.close()

    async def _look_up(self, code: int, fields: Mapping[str, str]) -> Answer:
        errors: list[str] = []
        for where in list(self._name_servers):
            try:
                return await self._connection(where).call(code, fields)
            except BrokerUnavailable as error:
                errors.append(str(error))
                self._name_servers.remove(where)  # the next request begins with another
                self._name_servers.append(where)
        raise BrokerUnavailable(f"no name server answers: {'; '.join(errors)}")

    async def _writable(self, topic: str) -> list[Place]:
        places = [place for place in await self.make_topic(topic) if place.writable]
        if not places:
            raise BrokerUnavailable(f"no broker takes messages for topic {topic}: give it write permission")
        return places

    async def _send(self, message: Message, place: Place, queue: int, more: Mapping[str, str], now: int) -> None:
        sent = wire.plain(message)
        fields = self._send_fields(sent, queue, _properties(sent, more), now)
        await self.ask(place.address, SEND_MESSAGE, fields, f"publishing to {message.topic}", sent.body)

    def _connection(self, where: tuple[str, int]) -> Remoting:
        if where not in self._connections:
            self._connections[where] = Remoting(where, self._settings.request_timeout)
        return self._connections[where]

    def _new_topic(self, topic: str) -> dict[str, str]:
        return {
            "topic": topic,
            "defaultTopic": "TBW102",
            "readQueueNums": str(self._settings.queues),
            "writeQueueNums": str(self._settings.queues),
            "perm": str(READ | WRITE),
            "topicFilterType": "SINGLE_TAG",
            "topicSysFlag": "0",
            "order": "false",
            "attributes": "+message.type=NORMAL",
        }

    def _send_fields(self, message: Message, queue: int, properties: str, now: int) -> dict[str, str]:
        return {
            "producerGroup": self._settings.producer_group,
            "topic": message.topic,
            "defaultTopic": "TBW102",
            "defaultTopicQueueNums": "4",
            "queueId": str(queue),
            "sysFlag": "0",
            "bornTimestamp": str(now),
            "flag": "0",
            "properties": properties,
            "reconsumeTimes": "0",
            "unitMode": "false",
            "batch": "false",
        }


def _place(queues: Mapping[str, Any], masters: Mapping[str, str]) -> Place:
    name, permissions = queues["brokerName"], queues["perm"]
    readable = queues["readQueueNums"] if permissions & READ else 0
    return Place(name, masters[name], readable, queues["writeQueueNums"] if permissions & WRITE else 0)


def _properties(sent: Message, more: Mapping[str, str]) -> str:
    """A message's properties as brokers store them: name 1 value 2, in control characters."""
    all_of_them = {
        **sent.properties,
        "UNIQ_KEY": sent.message_id,
        "TAGS": sent.tag,
        "KEYS": sent.key,
        "WAIT": "true",
        **more,
    }
    return "".join([f"{name}\x01{value}\x02" for name, value in all_of_them.items() if value])


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


def _now() -> float:
    return asyncio.get_running_loop().time()


def _done(answer: Answer, doing: str) -> Answer:
    if answer.code != OK:
        raise BrokerUnavailable(f"RocketMQ refuses {doing} (code {answer.code}: {answer.remark[:200]})")
    return answer
