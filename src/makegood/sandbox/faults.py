"""Trouble that tests ask for; it survives a restart, so that a test can combine it with one."""

from enum import StrEnum

import msgspec


class NotificationFault(StrEnum):
    """What happens to notifications."""

    NORMAL = "normal"  # each attempt arrives once
    LOSE = "lose"  # attempts vanish on the way, and the ladder goes on
    DUPLICATE = "duplicate"  # each attempt arrives twice
    HOLD = "hold"  # nothing is sent until another mode is set


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults in force."""

    notifications: NotificationFault = NotificationFault.NORMAL
