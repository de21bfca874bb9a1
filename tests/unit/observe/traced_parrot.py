"""A parrot in a process of its own that sends its spans to a collector: prints its port, ends with its input."""

import asyncio
import os
import sys

from makegood.engine.rpc.triple.server import TripleServer
from makegood.observe import ObserveSettings, set_up
from tests.contract.rpc.parrot import HERE, Parrot, handlers


async def main() -> None:
    """Until its standard input ends."""
    server = TripleServer(handlers(Parrot(str(os.getpid()))))
    print(await server.start(HERE, 0), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(1)


if __name__ == "__main__":
    with set_up(ObserveSettings(otlp_endpoint=sys.argv[1], sample=0.0), "parrot"):
        asyncio.run(main())
