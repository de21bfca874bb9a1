"""A provider, its consumer, a producer and a listener: `hello.py [hello.toml [provider|listener|consumer]]`."""
# ruff: noqa: D101, D102, D103

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from makegood.cluster.host import open_host, until_stopped
from makegood.engine.contracts import Operation
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.service import Service, listener, operation


class Hello(msgspec.Struct, frozen=True):
    text: str


SAY_HELLO = Operation("org.example.UserService", "SayHello", Hello, Hello)


class UserService(Service):
    name, schema = "provider", Schema("provider")

    @operation(SAY_HELLO)
    def say_hello(self, _tx: Transaction, requests: Sequence[Hello]) -> list[Hello]:
        return [Hello(f"Hello, {request.text}!") for request in requests]


class Reader(Service):
    name, schema = "listener", Schema("listener")

    @listener("springboot-mq", "springboot-mq-consumer-1", payload=str)
    def hear(self, _tx: Transaction, messages: Sequence[str]) -> None:
        print(*messages, sep="\n", flush=True)


async def main(config: str | None = None, role: str = "all") -> None:
    services = [kind() for kind in (UserService, Reader) if role in (kind.name, "all")]
    async with open_host(services, config) as host:
        if role in ("consumer", "all"):
            print((await host.call(SAY_HELLO, Hello("Ann"), Deadline.after(5))).text, flush=True)
            await host.messaging.convert_and_send("springboot-mq", "hello springboot rocketmq")
        if services:
            await until_stopped()


asyncio.run(main(*sys.argv[1:]))
