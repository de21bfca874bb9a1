"""A program in Java uses the shop's own stock service, by the .proto files that the shop publishes."""

from collections.abc import Generator

import pytest

from makegood.engine.database.migrations import migrate
from makegood.shop.assembly import migrations_of
from makegood.shop.stock.service import Stock
from tests.cluster.servers import mariadb, rocketmq
from tests.contract.database.mysql_server import schema_on
from tests.interop.programs import Program, python

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def stock(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Program]:
    """One process of the service, with a database of its own."""
    folder, broker = tmp_path_factory.mktemp("stock"), rocketmq()
    with schema_on(mariadb(), Stock.name) as place:
        migrate(place.sqlalchemy_url, Stock.schema, migrations_of(Stock))
        (folder / "shop.toml").write_text(
            f"""
            [rocketmq]
            name-server = "{broker.name_server}"
            endpoints = "{broker.endpoints}"
            [dubbo.registry]
            address = "{registry}"
            [dubbo.protocol]
            host = "127.0.0.1"
            [database]
            url = "{place.url}"
            [gateway]
            url = "http://127.0.0.1:8000"
            """
        )
        serve = ("-m", "makegood", "serve", Stock.name, "--config", folder / "shop.toml", "--data", folder)
        with python(*serve, mark=f"{Stock.name}: ") as program:
            program.line("http://")
            yield program


@pytest.mark.usefixtures("stock")
def test_deduct(consumer: Program) -> None:
    """Java takes stock; a repeat takes nothing more; a refusal is a value, and nothing is taken then."""
    consumer.ask_until("load tea 12800 5", "loaded")
    assert consumer.ask("deduct 1 tea 3 12800") == "refusal:"
    assert consumer.ask("deduct 1 tea 3 12800") == "refusal:"
    assert consumer.ask("stock tea") == "stock:2"
    assert consumer.ask("deduct 2 tea 3 12800") == "refusal:out_of_stock"
    assert consumer.ask("deduct 3 tea 1 1") == "refusal:price_changed"
    assert consumer.ask("deduct 4 coffee 1 1") == "refusal:unknown_sku"
    assert consumer.ask("deduct 5 tea 0 12800").startswith("failed INVALID_ARGUMENT")
    assert consumer.ask("stock tea") == "stock:2"
