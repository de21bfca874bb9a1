"""What name servers and brokers are asked directly: where topics are, that they exist, messages for later.

Request codes and fields: RequestCode.java and the headers beside it of apache/rocketmq.
"""

import asyncio
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
        """Stores a delayed message: the proxies refuse those in a topic that has others, too; brokers do not."""
        places = [place for place in await self.make_topic(message.topic) if place.writable]
        if not places:
            raise BrokerUnavailable(f"no broker takes messages for topic {message.topic}: give it write permission")
        self._sent += 1
        place = places[self._sent % len(places)]
        fields = self._send_fields(message, self._sent // len(places) % place.writable, now)
        await self.ask(place.address, SEND_MESSAGE, fields, f"publishing to {message.topic}", wire.plain(message).body)

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

    def _send_fields(self, message: Message, queue: int, now: int) -> dict[str, str]:
        return {
            "producerGroup": self._settings.producer_group,
            "topic": message.topic,
            "defaultTopic": "TBW102",
            "defaultTopicQueueNums": "4",
            "queueId": str(queue),
            "sysFlag": "0",
            "bornTimestamp": str(now),
            "flag": "0",
            "properties": _properties(message, now),
            "reconsumeTimes": "0",
            "unitMode": "false",
            "batch": "false",
        }


def _place(queues: Mapping[str, Any], masters: Mapping[str, str]) -> Place:
    name, permissions = queues["brokerName"], queues["perm"]
    readable = queues["readQueueNums"] if permissions & READ else 0
    return Place(name, masters[name], readable, queues["writeQueueNums"] if permissions & WRITE else 0)


def _properties(message: Message, now: int) -> str:
    """A message's properties as brokers store them: name 1 value 2, in control characters."""
    sent = wire.plain(message)
    due = min(message.deliver_at, now + LONGEST_DELAY)
    all_of_them = sent.properties | {
        "UNIQ_KEY": sent.message_id,
        "TAGS": sent.tag,
        "KEYS": sent.key,
        "WAIT": "true",
        "TIMER_DELIVER_MS": str(due),
        wire.DELIVER_AT: str(message.deliver_at),
    }
    return "".join([f"{name}\x01{value}\x02" for name, value in all_of_them.items() if value])


def _done(answer: Answer, doing: str) -> Answer:
    if answer.code != OK:
        raise BrokerUnavailable(f"RocketMQ refuses {doing} (code {answer.code}: {answer.remark[:200]})")
    return answer
