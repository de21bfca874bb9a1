"""The web application over a shop in memory, as the web's own tests have it; a collector of spans; clean loggers."""

import logging
import threading
from collections.abc import Generator

import pytest

from tests.unit.observe.collector import Collector
from tests.unit.web.conftest import alice, app, http, settings, shop

__all__ = ["alice", "app", "http", "settings", "shop"]


@pytest.fixture(autouse=True)
def _root() -> Generator[None]:
    """Logs are as they were when the test is over."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def collector() -> Generator[Collector]:
    """One that runs."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
