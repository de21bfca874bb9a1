"""A running shop with the default settings for all tests of a worker, which keep to goods and users of their own."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from tests.support.shop_client import ShopClient, shop_client
from tests.support.shop_process import ShopProcess, running_shop

NAMES = count(1)


@pytest.fixture(scope="session")
def ordinary_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop as `makegood run` starts it; whatever the tests send it, nothing fails in it that it did not foresee."""
    with running_shop(tmp_path_factory.mktemp("ordinary")) as process:
        yield process
    assert "Traceback" not in process.log(), process.log()


@pytest.fixture
async def shop(ordinary_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop; when the test is over every promise is kept, and nothing has failed."""
    async with shop_client(ordinary_shop) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for goods and users."""
    return f"t{next(NAMES)}"
