"""A running shop and a Chromium for all tests of a worker; each test has visitors, goods and users of its own."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import NoChromium, running_chromium
from tests.browser.visiting import Visitors
from tests.support.shop_client import ShopClient, shop_client
from tests.support.shop_process import ShopProcess, running_shop

HERE = Path(__file__).parent
NAMES = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests share one event loop, since the browser lives in it from the first to the last."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def shop_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop as `makegood run` starts it, with its demo goods; nothing fails in it that it did not foresee."""
    with running_shop(tmp_path_factory.mktemp("browsed")) as process:
        yield process
    assert "Traceback" not in process.log(), process.log()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(shop_process: ShopProcess) -> AsyncIterator[ShopClient]:
    """Its operator, who sells out, ships and pays beside the browser; in the end every promise is kept."""
    async with shop_client(shop_process) as client:
        yield client
        assert await client.broken_promises() == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser."""
    try:
        async with running_chromium() as browser:
            yield browser
    except NoChromium as error:
        pytest.fail(str(error), pytrace=False)


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(chromium: Browser, shop: ShopClient) -> AsyncIterator[Visitors]:
    """Opens pages; in the end none has complained, and none has asked another host for anything."""
    opened = Visitors(chromium, shop)
    yield opened
    await opened.close()
    assert opened.errors == []
    assert opened.foreign == []


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for goods and users."""
    return f"b{next(NAMES)}"
