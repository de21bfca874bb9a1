"""RocketMQ's remoting protocol, as much of it as topics, groups and offsets need.

A frame is `total length (4 bytes), header length (4 bytes, the first one 0 for JSON), header, body`, big-endian; the
total counts what follows it. Source: RemotingCommand.java of apache/rocketmq.
"""

import asyncio
import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from makegood.engine.errors import BrokerUnavailable

MAX_FRAME = 32 * 1024 * 1024
"""Largest answer taken, in bytes."""
VERSION = 477
"""What RocketMQ 5 calls its own version; a server answers older ones with fewer fields."""
OK = 0

_BARE_KEY = re.compile(rb"([{,])(-?\d+):")


class Answer(NamedTuple):
    """What a server said: its code (0: done), why not, fields and body."""

    code: int
    remark: str
    fields: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body; servers write numbers as bare keys. Raises BrokerUnavailable for what is no JSON."""
        return read_json(self.body)


class _Header(msgspec.Struct):
    code: int
    remark: str | None = None
    fields: dict[str, str] | None = msgspec.field(default=None, name="extFields")


def read_json(text: bytes) -> Any:
    """JSON whose keys may be bare numbers. Raises BrokerUnavailable."""
    try:
        return msgspec.json.decode(_BARE_KEY.sub(rb'\1"\2":', text))
    except msgspec.MsgspecError as error:
        raise BrokerUnavailable(f"RocketMQ's answer is no JSON ({error}): check the name server's address") from error


class Remoting:
    """One connection to a name server or a broker, made when it is needed; one request at a time."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._opaque = 0

    async def call(self, code: int, fields: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """The answer, or BrokerUnavailable. The server may hear the request twice."""
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                if self._streams is not None:
                    try:
                        return await self._call(code, fields or {}, body)
                    except (OSError, EOFError):
                        pass  # servers close connections that were idle for two minutes, and those of their last life
                return await self._call(code, fields or {}, body)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            host, port = self._address
            raise BrokerUnavailable(f"RocketMQ at {host}:{port} does not answer ({type(error).__name__})") from error

    async def _call(self, code: int, fields: Mapping[str, str], body: bytes) -> Answer:
        try:
            reader, writer = self._streams or await self._connect()
            self._opaque += 1
            writer.write(frame(code, self._opaque, fields, body))
            await writer.drain()
            return await _read(reader)
        except BaseException:
            self.close()  # what is still to come would be taken for the answer to the next request
            raise

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(*self._address)
        return self._streams

    def close(self) -> None:
        """Lets go of the connection; a later call makes another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def frame(code: int, opaque: int, fields: Mapping[str, str], body: bytes) -> bytes:
    """A request on the wire."""
    head = msgspec.json.encode(
        {
            "code": code,
            "language": "PYTHON",
            "version": VERSION,
            "opaque": opaque,
            "flag": 0,
            "extFields": fields,
            "serializeTypeCurrentRPC": "JSON",
        }
    )
    return struct.pack(">ii", 4 + len(head) + len(body), len(head)) + head + body


async def _read(reader: asyncio.StreamReader) -> Answer:
    (total,) = struct.unpack(">i", await reader.readexactly(4))
    if not 4 <= total <= MAX_FRAME:
        raise ValueError(f"a frame of {total} bytes: this is no RocketMQ server")
    data = await reader.readexactly(total)
    length = int.from_bytes(data[1:4], "big")
    header = msgspec.json.decode(data[4 : 4 + length], type=_Header)
    return Answer(header.code, header.remark or "", header.fields or {}, data[4 + length :])
