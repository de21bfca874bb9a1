"""The example's configuration is complete, and what it says of defaults is true."""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from makegood.cluster.settings import DatabaseSettings, DubboSettings, GatewaySettings, SandboxSettings
from makegood.config import SECTIONS, Config
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.observe import ObserveSettings
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.payments.gateways.alipay import AlipaySettings
from makegood.shop.payments.gateways.stripe import StripeSettings
from makegood.shop.payments.gateways.wechatpay import WechatPaySettings
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.stock.settings import StockSettings
from makegood.web.settings import WebSettings

EXAMPLE = Path(__file__).parents[3] / "examples" / "cluster" / "shop.toml"
SETTINGS: dict[str, type[Any]] = {
    "alipay": AlipaySettings,
    "database": DatabaseSettings,
    "dubbo": DubboSettings,
    "gateway": GatewaySettings,
    "observe": ObserveSettings,
    "orders": OrdersSettings,
    "payments": PaymentsSettings,
    "rocketmq": RocketmqSettings,
    "sandbox": SandboxSettings,
    "stock": StockSettings,
    "stripe": StripeSettings,
    "web": WebSettings,
    "wechatpay": WechatPaySettings,
}
EXAMPLES = {
    ("stock", "buyer_limit"),
    ("observe", "otlp_endpoint"),
    ("web", "pages"),
    ("payments", "notify_base"),
    ("wechatpay", "platform_keys_file"),
}
"""Settings that show a value which is not the default."""
COMMENTED = re.compile(r"^# ([a-z-]+) = (.+)$", re.MULTILINE)


def uncommented(folder: Path) -> Config:
    """The example with every default said aloud."""
    file = folder / "shop.toml"
    file.write_text(COMMENTED.sub(r"\1 = \2", EXAMPLE.read_text()))
    return Config.load(file, {})


def test_every_section_is_known() -> None:
    """Each section has its settings here."""
    assert set(SETTINGS) == set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_example_is_taken(section: str) -> None:
    """As it stands, each of its sections is accepted."""
    Config.load(EXAMPLE, {}).section(
        section, SETTINGS[section], **({"notify_base": "http://a"} if section == "payments" else {})
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_shown_with_its_default(section: str, tmp_path: Path) -> None:
    """No setting is left out, and one that is commented out stands there with its default."""
    kind = SETTINGS[section]
    said = uncommented(tmp_path).section(section, kind)
    text = EXAMPLE.read_text().replace("-", "_")
    for one in fields(kind):
        assert re.search(rf"^(# )?({one.name}|{one.name.partition('_')[2] or one.name}) = ", text, re.MULTILINE), (
            one.name
        )
        if one.default is not MISSING and (section, one.name) not in EXAMPLES and one.name != "endpoints":
            assert getattr(said, one.name) == one.default or _is_set(text, one.name), one.name


def _is_set(text: str, name: str) -> bool:
    short = name.partition("_")[2] or name
    return re.search(rf"^({name}|{short}) = ", text, re.MULTILINE) is not None
