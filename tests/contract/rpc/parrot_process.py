"""A parrot in a process of its own: prints its port, and dies with its parent."""

import asyncio
import os
import sys

from makegood.engine.rpc.triple.server import TripleServer
from tests.contract.rpc.parrot import HERE, Parrot, handlers


async def main() -> None:
    """Until its standard input ends."""
    server = TripleServer(handlers(Parrot(str(os.getpid()))))
    print(await server.start(HERE, 0), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
