"""A wire between two processes that a test can cut."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.contract.rpc.parrot import HERE


class Relay:
    """Passes on what comes to `port`; `connections` were made to it so far."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.connections = 0
        self._to_port = to_port
        self._writers: list[asyncio.StreamWriter] = []

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways, until one end closes."""
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(HERE, self._to_port)
        self._writers += [writer, far_writer]
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    def cut(self) -> None:
        """Every connection breaks now; new ones can be made."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()


@asynccontextmanager
async def relay_to(port: int) -> AsyncGenerator[Relay]:
    """A wire to this port of this machine."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.pass_on, HERE, 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.cut()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
