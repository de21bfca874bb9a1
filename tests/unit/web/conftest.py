"""The web application over a shop in memory, spoken to through ASGI."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from makegood.web.app import WebApp, build_app
from makegood.web.settings import WebSettings
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import KEY, OPERATORS_TOKEN, Buyer, fill


@pytest.fixture
def settings() -> WebSettings:
    """Settings with low limits."""
    return WebSettings(
        signing_key=KEY, operators_token=OPERATORS_TOKEN, failures_per_user=3, failures_per_peer=6, streams_per_user=2
    )


@pytest.fixture
def shop() -> PeerShop:
    """A shop with tea, two users and a coupon."""
    shop = PeerShop()
    fill(shop)
    return shop


@pytest.fixture
def app(shop: PeerShop, settings: WebSettings) -> WebApp:
    """The application over it."""
    return build_app(shop, settings)


@pytest.fixture
async def http(app: WebApp) -> AsyncGenerator[httpx.AsyncClient]:
    """Nobody in particular."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        yield client


@pytest.fixture
async def operator(app: WebApp) -> AsyncGenerator[httpx.AsyncClient]:
    """An operator."""
    headers = {"Authorization": f"Bearer {OPERATORS_TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
        yield client


@pytest.fixture
async def alice(http: httpx.AsyncClient) -> Buyer:
    """Alice, signed in."""
    return await Buyer.signed_in(http, "alice")


@pytest.fixture
async def bob(http: httpx.AsyncClient) -> Buyer:
    """Bob, signed in."""
    return await Buyer.signed_in(http, "bob")
