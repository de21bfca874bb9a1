"""Where the sandbox is."""

from typing import NamedTuple


class Place(NamedTuple):
    """Its own URL, and the cashier's, to which a code is appended; whether merchants on other machines are notified."""

    url: str
    cashier: str
    remote_notify: bool
