"""What becomes of deliveries: acknowledged in batches, or put off."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from makegood.engine.broker.port import Delivery
from makegood.engine.broker.rocketmq.proxies import Proxies, Proxy, serving
from makegood.engine.broker.rocketmq.session import seconds
from makegood.engine.broker.rocketmq.settings import LONGEST_INVISIBLE, RocketmqSettings
from makegood.engine.errors import BrokerUnavailable

TRIES = 3
"""How often a batch is settled before it has failed."""
PAUSE = 0.2
"""Seconds between the tries."""
AT_ONCE = 32
"""Deliveries put off at the same time."""
SHORTEST = 0.5
"""Seconds for which a delivery is put off at least."""


class Receipt(NamedTuple):
    """Which delivery it was: `Delivery.receipt` is `broker proxy message-id handle`; spaces are in the handle only."""

    broker: str
    proxy: str
    message_id: str
    handle: str

    def text(self) -> str:
        """As a delivery has it."""
        return " ".join(self)

    @classmethod
    def of(cls, delivery: Delivery) -> "Receipt":
        """Raises ValueError for a delivery of another broker."""
        parts = delivery.receipt.split(" ", 3)
        if len(parts) != 4:
            raise ValueError(f"delivery {delivery.receipt!r} is not RocketMQ's: settle it where it came from")
        return cls(*parts)


class Settler:
    """Acknowledges and puts off deliveries of one group."""

    def __init__(self, group: str, client_id: str, proxies: Proxies, settings: RocketmqSettings) -> None:
        self._group = definition.Resource(name=group)
        self._client_id = client_id
        self._proxies = proxies
        self._timeout = settings.request_timeout

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Done with these, also those whose receipt is too old. Raises BrokerUnavailable when some are not."""
        batches: dict[tuple[str, str, str], list[Receipt]] = {}
        for delivery in deliveries:
            receipt = Receipt.of(delivery)
            batches.setdefault((delivery.message.topic, receipt.broker, receipt.proxy), []).append(receipt)
        for (topic, _, _), receipts in batches.items():
            await self._insist(topic, receipts)

    async def put_off(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """These come again after `delay` seconds, or the longest that RocketMQ allows. Raises BrokerUnavailable."""
        delay = min(max(delay, SHORTEST), LONGEST_INVISIBLE)
        for begin in range(0, len(deliveries), AT_ONCE):
            putting = [self._put_off(delivery, delay) for delivery in deliveries[begin : begin + AT_ONCE]]
            for failure in await asyncio.gather(*putting, return_exceptions=True):
                if failure is not None:
                    raise failure

    async def _insist(self, topic: str, receipts: list[Receipt]) -> None:
        left = receipts
        for attempt in range(1, TRIES + 1):
            try:
                left = await self._acknowledge(topic, left)
            except BrokerUnavailable:
                self._proxies.forget(topic)
                if attempt == TRIES:
                    raise
            if not left:
                return
            await asyncio.sleep(PAUSE * attempt)
        raise BrokerUnavailable(f"RocketMQ refuses {len(left)} acknowledgements of {topic}: they come again")

    async def _acknowledge(self, topic: str, receipts: list[Receipt]) -> list[Receipt]:
        """Those that were not accepted."""
        request = service.AckMessageRequest(
            group=self._group,
            topic=definition.Resource(name=topic),
            entries=[
                service.AckMessageEntry(message_id=receipt.message_id, receipt_handle=receipt.handle)
                for receipt in receipts
            ],
        )
        proxy = await self._proxy(topic, receipts[0])
        answer = await proxy.call(lambda stub: stub.AckMessage, request, self._timeout, self._client_id)
        if not answer.entries and answer.status.code not in SETTLED:
            raise BrokerUnavailable(f"RocketMQ refuses acknowledgements of {topic}: {answer.status.message[:200]}")
        refused = {entry.receipt_handle for entry in answer.entries if entry.status.code not in SETTLED}
        return [receipt for receipt in receipts if receipt.handle in refused]

    async def _put_off(self, delivery: Delivery, delay: float) -> None:
        receipt, topic = Receipt.of(delivery), delivery.message.topic
        request = service.ChangeInvisibleDurationRequest(
            group=self._group,
            topic=definition.Resource(name=topic),
            receipt_handle=receipt.handle,
            invisible_duration=seconds(delay),
            message_id=receipt.message_id,
        )
        proxy = await self._proxy(topic, receipt)
        answer = await proxy.call(lambda stub: stub.ChangeInvisibleDuration, request, self._timeout, self._client_id)
        if answer.status.code not in SETTLED:
            raise BrokerUnavailable(f"RocketMQ does not put off a message of {topic}: {answer.status.message[:200]}")

    async def _proxy(self, topic: str, receipt: Receipt) -> Proxy:
        return serving(await self._proxies.route(topic), receipt.broker, receipt.proxy)


SETTLED = (definition.OK, definition.INVALID_RECEIPT_HANDLE)
"""Of a receipt that is too old nothing is to be done: the message has come again, or does."""
