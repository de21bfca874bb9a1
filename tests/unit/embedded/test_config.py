"""Settings come from defaults, a file and the environment, and what cannot be used is refused by name."""

from pathlib import Path

import pytest

from makegood.config import Config, ConfigError
from makegood.shop.orders.settings import OrdersSettings


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    file = folder / "shop.toml"
    file.write_text(text)
    return file


def test_nothing_configured_is_the_defaults() -> None:
    """Without a file and environment the settings are the class's own."""
    assert Config.load(None, {}).section("orders", OrdersSettings) == OrdersSettings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A variable overrides the file's value, and the file overrides the default."""
    file = write(tmp_path, "[orders]\nshipping_fee = 700\nfree_from = 5000\n")
    config = Config.load(file, {"MAKEGOOD_ORDERS_SHIPPING_FEE": "800", "HOME": "/"})
    assert config.section("orders", OrdersSettings) == OrdersSettings(shipping_fee=800, free_from=5000)


def test_what_the_shop_knows_better_stands_where_nothing_is_configured() -> None:
    """Defaults given by the assembly are used, unless configured otherwise."""
    settings = Config({"orders": {"shipping_fee": 1}}).section("orders", OrdersSettings, shipping_fee=2, free_from=3)
    assert (settings.shipping_fee, settings.free_from) == (1, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[ordres]\n", "no such section: ordres"),
        ("[orders\n", "is not TOML"),
        ("[orders]\nshiping_fee = 1\n", "no setting 'shiping_fee'"),
        ("[orders]\nshipping_fee = 'much'\n", r"\[orders\]"),
        ("[orders]\nshipping_fee = -1\n", "make them 0 or more"),
        ("[orders]\npay_within = 0\n", "more than 0"),
        ("orders = 3\n", "orders"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    """A wrong section, setting, type or value is one ConfigError that names it."""
    with pytest.raises(ConfigError, match=says):
        Config.load(write(tmp_path, text), {}).section("orders", OrdersSettings)


@pytest.mark.parametrize("name", ["MAKEGOOD_", "MAKEGOOD_ORDERS", "MAKEGOOD_SHIPS_FEE"])
def test_a_variable_without_section_and_key_is_refused(name: str) -> None:
    """A misspelt variable is an error, not silence."""
    with pytest.raises(ConfigError, match=name):
        Config.load(None, {name: "1"})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is named must be there."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(tmp_path / "none.toml", {})


def test_names_as_the_real_servers_users_write_them(tmp_path: Path) -> None:
    """A hyphen is an underscore, and a table in a table the beginning of a name; the environment can override it."""
    file = write(tmp_path, "[orders]\nshipping-fee = 700\n[orders.decide]\nwithin = 3.0\n[orders.pay]\nwithin = 9.0\n")
    config = Config.load(file, {"MAKEGOOD_ORDERS_PAY_WITHIN": "10"})
    expected = OrdersSettings(shipping_fee=700, decide_within=3.0, pay_within=10.0)
    assert config.section("orders", OrdersSettings) == expected
    assert "orders" in config
    assert "dubbo" not in config
