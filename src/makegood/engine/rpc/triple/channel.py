"""A connection to another process."""

import ipaddress
from collections.abc import Sequence

import grpc
import grpc.aio

from makegood.engine.rpc.triple.frames import MAX_FRAME, MAX_MESSAGE

CONNECT = 2.0
"""Seconds within which a process must be reached."""
# A peer that is gone without a word is noticed within 13 seconds. Makegood's server takes pings as often as they come.
OPTIONS: Sequence[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE + MAX_FRAME),
    ("grpc.max_send_message_length", MAX_MESSAGE + MAX_FRAME),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


class Unreachable(Exception):
    """Nobody takes a connection at this address."""


def open_channel(address: str) -> "grpc.aio.Channel":
    """A channel to `ip:port`, `[ip]:port` or `name:port`; it connects when it is first used."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        target = f"ipv{ipaddress.ip_address(host).version}:{address}"
    except ValueError:
        target = f"dns:///{address}"
    return grpc.aio.insecure_channel(target, options=OPTIONS)


async def reached(channel: "grpc.aio.Channel") -> None:
    """Returns when there is a connection. Raises Unreachable as soon as one could not be made."""
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
            raise Unreachable
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
