"""Whether a gRPC server answers: it greets with a SETTINGS frame (RFC 9113, section 3.4)."""

import contextlib
import socket

SECONDS = 2.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = bytes.fromhex("000000 04 00 00000000")
SETTINGS = 4
HEAD = 9
"""Bytes before a frame's payload: three of length, one of type, one of flags, four of stream."""


def greets(port: int) -> bool:
    """Whether its greeting comes soon; a port may be open long before anybody answers on it."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), SECONDS) as one:
        one.settimeout(SECONDS)
        one.sendall(PREFACE + EMPTY_SETTINGS)
        with one.makefile("rb") as answer:
            head = answer.read(HEAD)
            return len(head) == HEAD and head[3] == SETTINGS
    return False
