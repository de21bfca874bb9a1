"""The platform put together from its parts: what it does, apart from how HTTP reaches it."""

from typing import NamedTuple

from .alipay.gateway import Gateway
from .alipay.merchant import Merchant
from .alipay.notices import Notices
from .alipay.signing import Signer
from .cashier import Cashier
from .clock import Clock
from .faults import Faults
from .notifier import MAX_SLEEP_SECONDS, SENDERS, Notifier, Post
from .store import Store


class Surroundings(NamedTuple):
    """What a platform is told about the place where it runs.

    `cashier` is the URL a QR code's own part is appended to. With `remote_notify` merchants on other machines are
    notified, too. The notifier has so many senders, and sleeps so many seconds at most. With `codes_survive` the code
    of a trade that was closed before anybody scanned it can still be scanned, until it expires.
    """

    cashier: str
    remote_notify: bool = False
    senders: int = SENDERS
    max_sleep: float = MAX_SLEEP_SECONDS
    codes_survive: bool = False


class Platform(NamedTuple):
    """A platform, which works while `store.run` and `notifier.run` do."""

    store: Store
    clock: Clock
    merchant: Merchant
    gateway: Gateway
    cashier: Cashier
    notifier: Notifier


def build(
    store: Store, clock: Clock, merchant: Merchant, signer: Signer, post: Post, faults: Faults, around: Surroundings
) -> Platform:
    """A platform for one merchant: `signer` has the merchant's platform key, `post` carries notifications."""
    notifier = Notifier(
        store,
        clock,
        Notices(merchant, signer),
        post,
        faults,
        senders=around.senders,
        max_sleep=around.max_sleep,
    )
    gateway = Gateway(
        store,
        merchant,
        signer,
        around.cashier,
        remote_notify=around.remote_notify,
        wake_notifier=notifier.wake,
        codes_survive=around.codes_survive,
    )
    return Platform(store, clock, merchant, gateway, Cashier(store, notifier.wake), notifier)
