"""What points says."""

import msgspec

from makegood.engine.contracts import Operation


class PointsOfUser(msgspec.Struct, frozen=True):
    """Ask for a user's points."""

    user: str


class Points(msgspec.Struct, frozen=True):
    """How many points the user has: one for each full 100 fen captured and not refunded, by order."""

    user: str
    points: int


OF_USER = Operation("points", "OfUser", PointsOfUser, Points)
