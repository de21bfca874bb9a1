"""As much of RocketMQ's remoting protocol as it takes to ask a name server for its brokers.

A frame is its length, the header's length, the header as JSON and a body (RocketMQ's RemotingCommand).
"""

import json
import re
import socket
import struct
from typing import Any

BROKERS = 106
"""GET_BROKER_CLUSTER_INFO of RocketMQ's RequestCode."""
SECONDS = 5.0
MOST = 16 << 20
"""Bytes of the longest answer that is taken."""


def brokers(name_server_port: int) -> list[str]:
    """The addresses of the masters it knows. Raises OSError when there is no proper answer."""
    table = _call(name_server_port, BROKERS).get("brokerAddrTable", {})
    return [one["brokerAddrs"]["0"] for one in table.values() if "0" in one["brokerAddrs"]]


def _call(port: int, code: int) -> dict[str, Any]:
    head = json.dumps({"code": code, "language": "OTHER", "version": 477, "opaque": 1, "flag": 0, "extFields": {}})
    with socket.create_connection(("127.0.0.1", port), SECONDS) as one:
        one.settimeout(SECONDS)
        one.sendall(struct.pack(">ii", 4 + len(head), len(head)) + head.encode())
        with one.makefile("rb") as answer:
            (length,) = struct.unpack(">i", _exactly(answer.read(4), 4))
            if not 4 <= length <= MOST:
                raise OSError(f"an answer of {length} bytes")
            return _body(_exactly(answer.read(length), length))


def _body(frame: bytes) -> dict[str, Any]:
    # The header length's first byte says how the header is encoded.
    start = 4 + (int.from_bytes(frame[:4]) & 0xFF_FFFF)
    try:
        if code := json.loads(frame[4:start])["code"]:
            raise OSError(f"refused with code {code}")
        # fastjson writes bare numbers as keys: {0:"ip:port"}
        return json.loads(re.sub(rb"([{,])(\d+):", rb'\1"\2":', frame[start:]))
    except (ValueError, KeyError) as error:
        raise OSError("what answers is no RocketMQ") from error


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise OSError("the connection was closed in the middle of an answer")
    return data
