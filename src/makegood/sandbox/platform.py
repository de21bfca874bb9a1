"""The platform put together from its parts: what it does, apart from how HTTP reaches it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from .alipay.gateway import Gateway
from .alipay.merchant import Merchant
from .alipay.notices import Notices
from .alipay.signing import Signer
from .cashier import NO_SEQUELS, Cashier, Sequel
from .clock import Clock
from .early import Early
from .faults import NO_REFERENCES, Faults, Trouble
from .letters import Post, Voice
from .notifier import MAX_SLEEP_SECONDS, SENDERS, Notifier
from .store import Store
from .trades import ALIPAY, Trade


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


class Others(NamedTuple):
    """The platforms beside Alipay: how they notify, and what they do when a trade of theirs is paid, or declined.

    `references` says what the merchant's number of a trade is, where the ledger has another.
    """

    voices: Mapping[str, Voice]
    sequels: Mapping[str, Sequel]
    declines: Mapping[str, Sequel] = NO_SEQUELS
    references: Mapping[str, Callable[[Trade], str]] = NO_REFERENCES


NO_OTHERS: Final = Others({}, {})


class Platform(NamedTuple):
    """A platform, which works while `store.run` and `notifier.run` do."""

    store: Store
    clock: Clock
    merchant: Merchant
    gateway: Gateway
    cashier: Cashier
    notifier: Notifier
    trouble: Trouble
    voices: Mapping[str, Voice]
    early: Early


def build(
    store: Store,
    clock: Clock,
    merchant: Merchant,
    signer: Signer,
    post: Post,
    faults: Faults,
    around: Surroundings,
    others: Others = NO_OTHERS,
) -> Platform:
    """A platform for one merchant: `signer` has the merchant's platform key, `post` carries notifications.

    `others` are the platforms beside Alipay.
    """
    trouble = Trouble(faults, others.references)
    voices: dict[str, Voice] = {ALIPAY: Notices(merchant, signer), **others.voices}
    notifier = Notifier(
        store,
        clock,
        voices,
        post,
        trouble,
        senders=around.senders,
        max_sleep=around.max_sleep,
    )
    cashier = Cashier(store, notifier.wake, others.sequels, others.declines)
    early = Early(store, cashier, trouble)
    gateway = Gateway(
        store,
        clock,
        merchant,
        signer,
        around.cashier,
        remote_notify=around.remote_notify,
        wake_notifier=notifier.wake,
        codes_survive=around.codes_survive,
        early=early,
    )
    return Platform(store, clock, merchant, gateway, cashier, notifier, trouble, voices, early)
