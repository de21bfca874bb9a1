"""What a participant says about one order's reservation; the order's timeline shows it."""

import msgspec


class ReservationOf(msgspec.Struct, frozen=True):
    """Ask what a participant holds, or held, for an order."""

    order_id: int


class ReservationFound(msgspec.Struct, frozen=True):
    """`state`: TAKEN, REFUSED, RETURNED or CANCELLED; empty when the participant knows nothing of the order.

    `taken` and `answer` are JSON text, empty when there is none. `at`: when it was first heard of,
    `changed_at`: when its state last changed; both in ms UTC.
    """

    state: str = ""
    taken: str = ""
    answer: str = ""
    at: int = 0
    changed_at: int = 0
