"""The sandbox's clock is moved to see a ladder or an expiry; a shop whose own clock stands still goes on working."""

from collections.abc import Generator

import httpx
import pytest

from tests.contract.gateways.shop import Shop
from tests.support.sandbox import SandboxProcess, running_sandbox

DAY_SECONDS = 24 * 3600


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxProcess]:
    """A sandbox whose clock is a day ahead of everybody's."""
    with running_sandbox(tmp_path_factory.mktemp("tomorrow")) as running:
        moved = httpx.post(f"{running.url}/control/clock", json={"advance_seconds": DAY_SECONDS})
        assert moved.status_code == 200, moved.text
        yield running


async def test_payment_a_day_ahead(shop: Shop) -> None:
    """A payment is opened, paid and told, on every channel."""
    payment = shop.payment()
    told, kept = await shop.pay(payment)
    assert (told.payment_id, told.amount) == (payment.payment_id, 8880)
    assert (await shop.query(payment, kept)).state == "paid"


async def test_expiry_is_the_shops(shop: Shop) -> None:
    """A payment ends when the shop's clock says: not sooner, nor much later (Stripe's is given half an hour more)."""
    opened = await shop.gateway.open(shop.payment(seconds=1900))
    page = (await shop.http.get(opened.pay_url, follow_redirects=True)).url
    url = f"http://{page.host}:{page.port}"
    for seconds, status in ((1700, 409), (2400, 200)):
        await shop.http.post(f"{url}/control/clock", json={"advance_seconds": seconds})
        late = await shop.http.post(page, data={"action": "pay_late"})
        assert late.status_code == status, late.text
