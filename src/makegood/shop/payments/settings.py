"""How the payments service behaves; every setting has a default but the address platforms call back."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DAY = 86_400.0
"""Seconds."""
BOUNDS = {
    "notify_timeout": (0.1, 4.5),
    "first_ask": (1.0, DAY),
    "longest_ask": (1.0, DAY),
    "last_look": (1.0, DAY),
    "give_up_asking": (DAY / 24, 365 * DAY),
    "give_up_refunding": (DAY / 24, 365 * DAY),
    "keep_notifications": (2 * DAY, 3650 * DAY),
    "keep_bills": (31 * DAY, 3650 * DAY),
    "bill_timeout": (1.0, 30.0),
    "refusals_per_minute": (0, 60_000),
}
"""The least and the most each may be: platforms want an answer within 5 s, and repeat a callback for over a day."""


@dataclass(frozen=True)
class PaymentsSettings:
    """Settings of the payments service; durations in seconds.

    Raises ValueError for an address that no platform could call, and for what is not within `BOUNDS`.
    """

    notify_base: str
    """The shop's own address as the platforms reach it, such as `https://shop.example`."""
    notify_timeout: float = 4.0
    """How long a callback may wait for the database; then it is answered as not taken, and comes again."""
    first_ask: float = 30.0
    """How long after its opening a platform is first asked about a payment nobody has heard of."""
    longest_ask: float = 600.0
    """The pause between two questions doubles up to this."""
    last_look: float = 60.0
    """How long after its expiry a closed payment is looked at once more: by the platform's clock, which may be behind
    ours, it could be paid until then."""
    give_up_asking: float = 7 * DAY
    """How long after a payment's expiry it is still asked about; then it is on the list of breaks."""
    give_up_refunding: float = 7 * DAY
    """How long a platform may take for a refund; then it is on the list of breaks."""
    keep_notifications: float = 90 * DAY
    """How long notifications and refused callbacks are kept."""
    keep_bills: float = 400 * DAY
    """How long the comparisons of platforms' bills, and the lines that differ, are kept."""
    bill_timeout: float = 30.0
    """How long fetching a bill may take, with all its pages; then it is asked for again later."""
    refusals_per_minute: int = 60
    """Most refused callbacks that one process writes down in a minute; the others are only answered."""

    def __post_init__(self) -> None:
        address = urlsplit(self.notify_base)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"notify_base {self.notify_base!r}: give an address that begins with http:// or https://")
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: make it {least:g} to {most:g}")

    def notify_url(self, channel: str) -> str:
        """Where the platform of `channel` posts its callbacks."""
        return f"{self.notify_base.rstrip('/')}/api/payments/notify/{channel}"
