"""A provider, its consumer, a producer and a listener in one process."""

import asyncio
from collections.abc import Sequence

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.embedded import open_host
from makegood.engine.service import Service, listener, operation


class Hello(msgspec.Struct, frozen=True):
    """What is asked, and what is answered."""

    text: str


HELLO = Operation("greeter", "Hello", Hello, Hello)


class Greeter(Service):
    """The provider."""

    name, schema = "greeter", Schema("greeter")

    @operation(HELLO)
    def hello(self, _tx: Transaction, requests: Sequence[Hello]) -> list[Hello]:
        """Answers a batch of requests in one transaction."""
        return [Hello(f"Hello, {request.text}!") for request in requests]


class Reader(Service):
    """The listener."""

    name, schema, read = "reader", Schema("reader"), 0

    @listener("news", "readers", payload=str)
    def hear(self, _tx: Transaction, news: Sequence[str]) -> None:
        """Hears each message once."""
        print("News:", *news)
        self.read += len(news)


async def main() -> None:
    """The consumer and the producer."""
    async with open_host([Greeter(), reader := Reader()]) as host:
        print((await host.call(HELLO, Hello("Ann"), Deadline.after(5))).text)
        await host.messaging.convert_and_send("news", "The shop is open")
        while not reader.read:
            await asyncio.sleep(0.01)


asyncio.run(main())
