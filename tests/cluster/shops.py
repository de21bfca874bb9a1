"""A whole shop of a test's own, as the tests' buyers reach it."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from tests.cluster.servers import OwnShop

SETTINGS: Mapping[str, str] = {"MAKEGOOD_PAYMENTS_FIRST_ASK": "1"}
"""A callback that met a dead gateway is asked for soon."""


class Reached(NamedTuple):
    """Implements `Place`."""

    url: str
    sandbox_url: str
    token: str


def reached(shop: OwnShop, gateway: int = 0) -> Reached:
    """By one of the gateways."""
    return Reached(shop.gateways[gateway], shop.sandbox_url, shop.token)


@contextmanager
def configured(settings: Mapping[str, str] = SETTINGS) -> Generator[None]:
    """Processes that are started meanwhile have these settings."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
