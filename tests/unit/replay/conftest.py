"""A peer on 127.0.0.1, and a client of it."""

from collections.abc import AsyncIterator

import pytest

from makegood.replay.client import ShopClient
from makegood.replay.transport import Transport

from .peer import OPERATORS, Peer


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """A peer that listens."""
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport with little patience."""
    async with Transport(4, patience=2.0) as transport:
        yield transport


@pytest.fixture
def shop(peer: Peer, transport: Transport) -> ShopClient:
    """A client of the peer."""
    return ShopClient(peer.url, OPERATORS, transport)
