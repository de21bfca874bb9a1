"""UserService as a program of its own: `python -m tests.interop.provider CONFIGURATION`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from makegood.cluster.host import open_host, until_stopped
from makegood.engine.contracts import Operation
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.service import Service, async_operation, operation

INTERFACE = "org.example.UserService"
SLOW = 2.0
"""Seconds that a slow answer takes."""


class HelloRequest(msgspec.Struct, frozen=True):
    """Who is greeted."""

    name: Annotated[str, msgspec.Meta(min_length=1)]


class HelloReply(msgspec.Struct, frozen=True):
    """The greeting; `remaining` is how many ms there were to answer, where that was looked at."""

    message: str
    remaining: int = 0


SAY_HELLO = Operation(INTERFACE, "SayHello", HelloRequest, HelloReply)
SAY_HELLO_SLOWLY = Operation(INTERFACE, "SayHelloSlowly", HelloRequest, HelloReply)


class Users(Service):
    """The provider."""

    name, schema = "users", Schema("users")

    @operation(SAY_HELLO)
    def say_hello(self, _tx: Transaction, requests: Sequence[HelloRequest]) -> list[HelloReply]:
        """Says which process answers; the name `bug` meets one."""
        if any(request.name == "bug" for request in requests):
            raise ValueError("a bug in Python")
        return [HelloReply(f"Hello, {request.name}, from {os.getpid()}") for request in requests]

    @async_operation(SAY_HELLO_SLOWLY)
    async def say_hello_slowly(self, request: HelloRequest, deadline: Deadline) -> HelloReply:
        """Says how long the caller waits."""
        remaining = int(deadline.remaining() * 1000)
        await asyncio.sleep(SLOW)
        return HelloReply(f"Hello, {request.name}, from {os.getpid()}", remaining)


async def main(config: Path) -> None:
    """Provides until it is stopped."""
    async with open_host([Users()], config):
        print("> ready", flush=True)
        await until_stopped()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
