"""A connection to a server that a test can cut, freeze and garble."""

import asyncio
import struct


class Proxy:
    """Forwards a free port of this machine to a server."""

    def __init__(self, server: str) -> None:
        self._host, _, port = server.rpartition(":")
        self._port = int(port)
        self._flows = asyncio.Event()
        self._flows.set()
        self._listener: asyncio.Server | None = None
        self._links: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._pumps: list[asyncio.Task[None]] = []
        self.port = 0

    async def open(self) -> None:
        """Takes connections, on the same port as before."""
        self._listener = await asyncio.start_server(self._link, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cuts every connection and takes no more."""
        assert self._listener is not None
        self._listener.close()
        for pair in self._links:
            for writer in pair:
                writer.close()
        self._links.clear()

    def freeze(self) -> None:
        """Keeps the connections, and what is sent over them to itself."""
        self._flows.clear()

    def thaw(self) -> None:
        """Cuts the frozen connections: what was sent over them is lost; new ones flow."""
        for pair in self._links:
            for writer in pair:
                writer.close()
        self._links.clear()
        self._flows.set()

    async def garble(self) -> None:
        """Sends every client the answer to a request that it never made."""
        for client, _ in self._links:
            client.write(struct.pack("!iiqi", 16, 77_777, 0, 0))
            await client.drain()

    async def close(self) -> None:
        """Ends everything."""
        self._flows.set()
        await self.shut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        self._links.append((writer, server_writer))
        self._pumps.append(asyncio.create_task(self._pump(reader, server_writer)))
        self._pumps.append(asyncio.create_task(self._pump(server_reader, writer)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while content := await reader.read(65_536):
                await self._flows.wait()
                writer.write(content)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()
