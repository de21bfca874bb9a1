"""The web application over a shop in memory, as the web's own tests have it."""

from tests.unit.web.conftest import alice, app, http, settings, shop

__all__ = ["alice", "app", "http", "settings", "shop"]
