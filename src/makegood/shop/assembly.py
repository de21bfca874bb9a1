"""The services of the shop and where each keeps its migrations."""

import inspect
from collections.abc import Mapping
from pathlib import Path

from makegood.config import Config, ConfigError
from makegood.engine.service import Service
from makegood.shop.accounts.service import Accounts
from makegood.shop.coupons.service import Coupons
from makegood.shop.journal.service import Journal
from makegood.shop.orders.service import Orders
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.payments.gateways.alipay import AlipaySettings
from makegood.shop.payments.gateways.configured import Merchants, Surroundings, gateways_of
from makegood.shop.payments.gateways.port import Gateway
from makegood.shop.payments.gateways.stripe import StripeSettings
from makegood.shop.payments.gateways.wechatpay import WechatPaySettings
from makegood.shop.payments.service import Payments
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.points.service import Points
from makegood.shop.stock.service import Stock
from makegood.shop.stock.settings import StockSettings

CLASSES: tuple[type[Service], ...] = (Orders, Stock, Coupons, Accounts, Payments, Points, Journal)


def services_of(config: Config, notify_base: str, gateways: Mapping[str, Gateway]) -> list[Service]:
    """Every service of the shop. Raises ConfigError."""
    return [
        Orders(config.section("orders", OrdersSettings)),
        Stock(config.section("stock", StockSettings)),
        Coupons(),
        Accounts(),
        Payments(config.section("payments", PaymentsSettings, notify_base=notify_base), gateways),
        Points(),
        Journal(),
    ]


def configured_gateways(config: Config, around: Surroundings) -> dict[str, Gateway]:
    """The channels of every payment platform that has a section. Raises ConfigError, also when none has."""
    merchants = Merchants(
        config.section("alipay", AlipaySettings) if "alipay" in config else None,
        config.section("wechatpay", WechatPaySettings) if "wechatpay" in config else None,
        config.section("stripe", StripeSettings) if "stripe" in config else None,
    )
    try:
        found = gateways_of(merchants, around)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not found:
        raise ConfigError("no payment platform is configured: give [alipay], [wechatpay] or [stripe]")
    return found


def migrations_of(service: type[Service]) -> Path:
    """The folder of a service's migrations, beside its code."""
    return Path(inspect.getfile(service)).parent / "migrations"
