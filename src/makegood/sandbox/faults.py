"""Trouble that is asked for: what goes wrong, at which platform, how often. It survives a restart.

Whether something goes wrong is drawn from the seed, the kind of fault and what it happens to, never from chance: the
same requests meet the same faults in every run.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from .trades import Trade

MAX_RULES: Final = 64
MAX_SECONDS: Final = 3600.0
MAX_SEED: Final = 2**53
EVERYWHERE: Final = "all"
NO_REFERENCES: Final[Mapping[str, Callable[[Trade], str]]] = {}


class NotificationFault(StrEnum):
    """What happens to all notifications of all platforms, whatever the rules say."""

    NORMAL = "normal"  # each attempt arrives once
    LOSE = "lose"  # attempts vanish on the way, and the ladder goes on
    DUPLICATE = "duplicate"  # each attempt arrives twice
    HOLD = "hold"  # nothing is sent until another mode is set


class Kind(StrEnum):
    """What can go wrong now and then."""

    DUPLICATE = "duplicate"  # a notification arrives twice
    DELAY = "delay"  # a notification is late, by up to `seconds`, 300 when not said
    REORDER = "reorder"  # a notification waits up to `seconds`, 5 when not said, so that later ones overtake it
    LOSE = "lose"  # a notification vanishes on the way, and the ladder goes on
    TAMPER = "tamper"  # before a notification comes one that was changed on the way
    WRONG_AMOUNT = "wrong_amount"  # before a notification comes one of another amount, properly signed
    STALE = "stale"  # before a notification comes one that was signed a day ago
    SIGNTEST = "signtest"  # before a notification comes a probe, whose signature is no signature (WeChat Pay)
    UNKNOWN_SERIAL = "unknown_serial"  # before a notification comes one signed with a key nobody knows (WeChat Pay)
    KEY_ROTATION = "key_rotation"  # a notification is signed with the platform's next key
    EARLY = "early"  # the buyer pays, and the notification comes, before the call that made the trade is answered
    ANSWER_LOST = "answer_lost"  # a request takes effect, and its answer breaks off
    RATE_LIMITED = "rate_limited"  # a request is refused: too many
    SERVER_ERROR = "server_error"  # a request fails with a 5xx, half of them after it took effect
    SLOW = "slow"  # a request is answered late, by up to `seconds`, 8 when not said
    NOT_ENOUGH = "not_enough"  # a refund is refused: the merchant has not enough money (WeChat Pay)
    REFUND_ABNORMAL = "refund_abnormal"  # a refund does not reach the buyer (Stripe: it fails)
    REFUND_CLOSED = "refund_closed"  # a refund comes to nothing (WeChat Pay)


SECONDS: Final = {Kind.DELAY: 300.0, Kind.REORDER: 5.0, Kind.SLOW: 8.0}
"""What a rule that does not say means."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How likely a fault is at a platform, or at all of them; `seconds` is how long it takes at most, where it does."""

    kind: Kind
    platform: Annotated[str, Meta(pattern=r"^(all|alipay|wechatpay|stripe)\Z")] = EVERYWHERE
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Meta(ge=0, le=MAX_SECONDS)] | None = None


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults in force."""

    notifications: NotificationFault = NotificationFault.NORMAL
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] = 0
    rules: Annotated[tuple[Rule, ...], Meta(max_length=MAX_RULES)] = ()


def rule_of(text: str) -> Rule:
    """The rule that a person writes as `[PLATFORM:]KIND[=PROBABILITY][/SECONDS]`.

    Raises ValueError, which says what can be written.
    """
    what, _, seconds = text.partition("/")
    what, _, probability = what.partition("=")
    platform, _, kind = what.rpartition(":")
    said = {"kind": kind, "platform": platform or EVERYWHERE}
    try:
        numbers = {"probability": float(probability or 1), "seconds": float(seconds) if seconds else None}
        return msgspec.convert(said | numbers, type=Rule)
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(
            f"{text[:80]!r} is no fault: write [PLATFORM:]KIND[=PROBABILITY][/SECONDS], such as wechatpay:slow=0.5/3;"
            f" platforms: all, alipay, wechatpay, stripe; kinds: {', '.join(Kind)}"
        ) from error


def faults_of(texts: Sequence[str], seed: int = 0) -> Faults:
    """The faults that a person asks for, each rule as `rule_of` reads it. Raises ValueError, which says what can be."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"{seed} is no seed: give one from 0 to {MAX_SEED}")
    if len(texts) > MAX_RULES:
        raise ValueError(f"{len(texts)} faults are too many: give at most {MAX_RULES}")
    return Faults(seed=seed, rules=tuple(rule_of(text) for text in texts))


def written(rule: Rule) -> str:
    """The rule as a person writes it."""
    platform = "" if rule.platform == EVERYWHERE else f"{rule.platform}:"
    return f"{platform}{rule.kind}={rule.probability:g}" + (f"/{rule.seconds:g}" if rule.seconds is not None else "")


class Trouble:
    """Says what goes wrong, as the faults in force have it.

    `references` says, by platform, what the merchant's number of a trade is, where the ledger has another.
    """

    def __init__(self, faults: Faults, references: Mapping[str, Callable[[Trade], str]] = NO_REFERENCES) -> None:
        self.faults: Faults = faults
        self._references = references
        self._calls: dict[str, int] = {}

    def happens(self, kind: Kind, platform: str, subject: str) -> Rule | None:
        """The rule by which this happens to `subject`, if it does."""
        for rule in self.faults.rules:
            if rule.kind is kind and rule.platform in (EVERYWHERE, platform):
                drawn = self.size(kind, f"{platform} {subject}")
                if drawn < rule.probability:
                    return rule
        return None

    def name_of(self, trade: Trade) -> str:
        """A trade, by what every run calls it alike: the merchant's number, or else its place in the ledger."""
        reference = self._references.get(trade.platform)
        number = trade.out_trade_no
        if reference:
            said = reference(trade)
            number = said if said != trade.out_trade_no else f"#{trade.id}"
        return f"{number} again" if trade.copy else number

    def size(self, kind: str, subject: str) -> float:
        """At least 0, below 1, and always the same for the same fault of the same subject."""
        digest = hashlib.sha256(f"{self.faults.seed} {kind} {subject}".encode()).digest()
        return int.from_bytes(digest[:6]) / (1 << 48)

    def seconds(self, rule: Rule, subject: str) -> float:
        """How long this one takes."""
        most = SECONDS.get(rule.kind, 0.0) if rule.seconds is None else rule.seconds
        return most * self.size(f"{rule.kind} seconds", subject)

    def next_call(self, platform: str) -> str:
        """A name for a platform's next request: the first since the start has number 1."""
        number = self._calls[platform] = self._calls.get(platform, 0) + 1
        return f"request {number}"
