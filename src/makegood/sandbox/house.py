"""All platforms of one sandbox, put together: a merchant of each, one ledger, one notifier, one cashier."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from . import settings, trades
from .alipay import merchant as alipay
from .alipay.pages import way_back
from .cashier_page import Back
from .clock import MACHINE, Clock
from .doors import Door
from .faults import Faults
from .letters import Post, Voice
from .place import Place
from .platform import Others, Platform, Surroundings, build
from .signing import Signer
from .store import Store, Transaction
from .stripe import merchant as stripe
from .stripe.events import Teller
from .stripe.gateway import Gateway as StripeGateway
from .stripe.notices import Notices as StripeNotices
from .trades import Trade
from .wechatpay import merchant as wechatpay
from .wechatpay.gateway import Gateway as WechatpayGateway
from .wechatpay.notices import Notices as WechatpayNotices

T = TypeVar("T")


class Accounts(NamedTuple):
    """The demo merchant of each platform."""

    alipay: alipay.Account
    wechatpay: wechatpay.Account
    stripe: stripe.Account


class House:
    """The platforms of one sandbox; `post` carries their notifications."""

    def __init__(
        self, store: Store, clock: Clock, accounts: Accounts, post: Post, faults: Faults, place: Place
    ) -> None:
        self._place = place
        merchant = alipay.Merchant(accounts.alipay)
        self._wechatpay = wechatpay.Merchant(accounts.wechatpay)
        self._signer = Signer(merchant.platform_key)
        self._stripe = accounts.stripe
        teller = Teller(place.cashier)
        voices: dict[str, Voice] = {
            trades.WECHATPAY: WechatpayNotices(self._wechatpay, self._signer),
            trades.STRIPE: StripeNotices(accounts.stripe),
        }
        self.references: dict[str, Callable[[Trade], str]] = {trades.STRIPE: stripe.reference_of}
        others = Others(voices, {trades.STRIPE: teller.paid}, references=self.references)
        around = Surroundings(place.cashier, remote_notify=place.remote_notify)
        self.platform: Platform = build(store, clock, merchant, self._signer, post, faults, around, others)
        self.cashier: str = place.cashier
        self.numbers: dict[str, Callable[[Trade], str]] = {
            trades.ALIPAY: merchant.trade_no,
            trades.WECHATPAY: self._wechatpay.transaction_id,
            trades.STRIPE: lambda trade: f"pi_{trade.code}",
        }
        self.backs: dict[str, Back] = {
            trades.ALIPAY: lambda trade: way_back(merchant, self._signer, trade, clock.now()),
            trades.STRIPE: _success_url,
        }
        self.doors: dict[str, Door] = {
            "/v3/": WechatpayGateway(
                store,
                clock,
                self._wechatpay,
                self._signer,
                place,
                self.platform.trouble,
                self.platform.notifier.wake,
                self.platform.early,
            ),
            "/v1/": StripeGateway(
                store,
                clock,
                accounts.stripe,
                teller,
                self.platform.trouble,
                self.platform.early,
                self.platform.notifier.wake,
                remote_notify=place.remote_notify,
            ),
        }

    def settings(self) -> dict[str, object]:
        """What a shop needs to be the merchants; holds their secrets."""
        url = self._place.url
        return {
            "url": url,
            "alipay": self.platform.merchant.settings(url),
            "wechatpay": self._wechatpay.settings(url),
            "stripe": self._stripe.settings(url),
        }

    def close(self) -> None:
        """Ends what it runs by itself."""
        self._signer.close()


async def _success_url(trade: Trade) -> str:
    return stripe.details_of(trade).success_url.replace("{CHECKOUT_SESSION_ID}", f"cs_test_{trade.code}")


def remembered_accounts(tx: Transaction) -> Accounts:
    """The merchants; one that there is not yet is made, once and for ever."""
    return Accounts(
        settings.load(tx, "alipay", alipay.Account) or _made(tx, "alipay", alipay.new_account()),
        settings.load(tx, "wechatpay", wechatpay.Account)
        or _made(tx, "wechatpay", wechatpay.new_account(MACHINE.now())),
        settings.load(tx, "stripe", stripe.Account) or _made(tx, "stripe", stripe.new_account()),
    )


def _made(tx: Transaction, name: str, account: T) -> T:
    settings.save(tx, name, account)
    return account
