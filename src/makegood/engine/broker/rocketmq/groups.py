"""That consumer groups exist, from where each begins, what its consumers want, and how far it is behind.

A group that has no offset in a queue would begin anywhere when it first receives: at the last message, or at the
first if all are in memory. So it is given one. Brokers write offsets every few seconds, and groups at once: the topics
that a group has been given offsets for are written into the group's own configuration. Where an offset is missing
though the group has had one, a crash has lost it, and the group begins at the first message that is left.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from makegood.engine.broker.port import GroupStats
from makegood.engine.broker.rocketmq.admin import Admin, Place
from makegood.engine.broker.rocketmq.remoting import OK, read_json
from makegood.engine.errors import BrokerUnavailable

QUERY_OFFSET, UPDATE_OFFSET, GET_MAX_OFFSET, GET_MIN_OFFSET = 14, 15, 30, 31
UPDATE_GROUP, GET_CONSUMERS, GET_STATS, GET_TIME_SPAN, GET_GROUP = 200, 203, 208, 303, 352
NO_OFFSET, NO_CONSUMERS, NO_GROUP, NO_TOPIC = 22, 206, 26, 17
"""Codes of answers that say: there is none."""
RETRIES = 1_000_000
"""Deliveries after which a broker would put a message into its dead letters: ours are kept by the consumers."""
NEVER = 10 * 366 * 86_400_000
"""Milliseconds; brokers count the age of a message that they have deleted from 1970."""

_ENTRY = re.compile(rb"(\{[^{}]*\}):(\{[^{}]*\})")


class Groups:
    """The consumer groups, as brokers know them. All of it raises BrokerUnavailable."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._made: set[tuple[str, str]] = set()
        self._topics: dict[str, set[str]] = {}
        self._ordered: set[str] = set()

    async def make(self, group: str, topics: Iterable[str], *, ordered: bool = False) -> None:
        """From its return the group gets what is published to these topics; done once for each.

        One that is to be `ordered` is so from its return; it stays so.
        """
        if ordered and group not in self._ordered:
            self._ordered.add(group)
            self._made = {(other, topic) for other, topic in self._made if other != group}
        for topic in sorted(topics):
            if (group, topic) not in self._made:
                await self.mend(group, topic)

    async def mend(self, group: str, topic: str) -> None:
        """The same, looking again at what the brokers hold: one may have crashed, or be new."""
        places = await self._admin.make_topic(topic)
        configs = {place.address: await self._config(group, place.address) for place in places}
        known = any(topic in _marks(config) for config in configs.values())
        for place in places:
            await self._configure(configs[place.address], place.address, None)
            for queue in range(place.readable):
                await self._begin(group, topic, place, queue, known)
        for place in places:
            await self._configure(configs[place.address], place.address, topic)
        self._made.add((group, topic))
        self._topics.setdefault(group, set()).add(topic)

    async def wanted(self, group: str) -> dict[str, frozenset[str]]:
        """What the group's consumers want now, by topic, as far as brokers know of consumers; empty set: all tags."""
        wants: dict[str, frozenset[str]] = {}
        for address in (await self._admin.masters()).values():
            answer = await self._admin.try_asking(address, GET_CONSUMERS, {"consumerGroup": group})
            if answer.code == OK:
                found = answer.json()
                table: Mapping[str, Any] = found["subscriptionTable"] if found["connectionSet"] else {}
                wants |= {topic: _tags(one["subString"]) for topic, one in table.items()}
        return wants

    async def stats(self) -> list[GroupStats]:
        """Each group that this process has made, over all of its topics."""
        masters = (await self._admin.masters()).values()
        return [await self._stats(group, list(masters)) for group in sorted(self._topics)]

    async def _config(self, group: str, address: str) -> dict[str, Any]:
        answer = await self._admin.try_asking(address, GET_GROUP, {"group": group})
        if answer.code not in (OK, NO_GROUP):
            raise BrokerUnavailable(f"RocketMQ refuses to look for group {group} (code {answer.code}: {answer.remark})")
        config: dict[str, Any] = answer.json() if answer.code == OK else {"groupName": group, "retryMaxTimes": 0}
        config.pop("attributes", None)  # they would have to be written as changes
        return config

    async def _configure(self, config: dict[str, Any], address: str, topic: str | None) -> None:
        """Writes the group with at least our retries, and the topic's mark if one is given, unless it is so already."""
        marks = _marks(config) | ({topic} if topic else set())
        ordered = config.get("consumeMessageOrderly", False)
        wanted = ordered or config["groupName"] in self._ordered
        if config.get("retryMaxTimes", 0) >= RETRIES and marks == _marks(config) and ordered == wanted:
            return
        config["consumeMessageOrderly"] = wanted
        config["retryMaxTimes"] = max(RETRIES, config.get("retryMaxTimes", 0))
        config["subscriptionDataSet"] = [
            *(config.get("subscriptionDataSet") or []),
            *({"topic": one, "expressionType": "TAG", "expression": "*"} for one in sorted(marks - _marks(config))),
        ]
        await self._admin.ask(address, UPDATE_GROUP, {}, f"group {config['groupName']}", msgspec.json.encode(config))

    async def _begin(self, group: str, topic: str, place: Place, queue: int, known: bool) -> None:
        where = {"topic": topic, "queueId": str(queue)}
        mine = where | {"consumerGroup": group, "setZeroIfNotFound": "false"}
        # The end is read before the offset: what somebody else's declaring promised meanwhile is not passed over.
        end = await self._offset(place, GET_MIN_OFFSET if known else GET_MAX_OFFSET, where)
        answer = await self._admin.try_asking(place.address, QUERY_OFFSET, mine)
        if answer.code == NO_OFFSET:
            doing = f"setting the offset of group {group} in {topic}"
            await self._admin.ask(place.address, UPDATE_OFFSET, mine | {"commitOffset": str(end)}, doing)
        elif answer.code != OK:
            raise BrokerUnavailable(f"RocketMQ refuses to say where {group} is (code {answer.code}: {answer.remark})")

    async def _offset(self, place: Place, code: int, where: Mapping[str, str]) -> int:
        answer = await self._admin.ask(place.address, code, where, f"looking for the end of {where['topic']}")
        return max(0, int(answer.fields["offset"]))

    async def _stats(self, group: str, masters: list[str]) -> GroupStats:
        backlog = oldest = 0
        for address in masters:
            answer = await self._admin.ask(address, GET_STATS, {"consumerGroup": group}, f"the statistics of {group}")
            behind = _behind(answer.body)
            backlog += sum(behind.values())
            for topic in sorted(topic for topic, count in behind.items() if count):
                oldest = max(oldest, await self._age(group, topic, address))
        return GroupStats(group, backlog, oldest)

    async def _age(self, group: str, topic: str, address: str) -> int:
        answer = await self._admin.try_asking(address, GET_TIME_SPAN, {"group": group, "topic": topic})
        if answer.code != OK:
            return 0  # the topic has gone meanwhile
        spans = answer.json()["consumeTimeSpanSet"]
        return max([span["delayTime"] for span in spans if 0 < span["delayTime"] < NEVER], default=0)


def _marks(config: Mapping[str, Any]) -> set[str]:
    return {one["topic"] for one in config.get("subscriptionDataSet") or []}


def _tags(expression: str) -> frozenset[str]:
    return frozenset[str]() if expression == "*" else frozenset(one.strip() for one in expression.split("||"))


def _behind(body: bytes) -> dict[str, int]:
    """Messages not consumed, by topic; the table's keys are objects, which is no JSON."""
    behind: dict[str, int] = {}
    for queue, offsets in _ENTRY.findall(body):
        topic, there = read_json(queue)["topic"], read_json(offsets)
        behind[topic] = behind.get(topic, 0) + max(0, there["brokerOffset"] - there["consumerOffset"])
    return behind
