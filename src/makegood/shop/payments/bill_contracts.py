"""What payments says of a platform's daily bills, and hears."""

from typing import Annotated, Literal

import msgspec

from makegood.engine.contracts import Operation
from makegood.shop.payments.contracts import Channel
from makegood.shop.types import PageLimit

DifferenceKind = Literal["ours_only", "theirs_only", "amount_differs"]
"""How a platform's bill and we differ in a line."""
ReconciliationState = Literal["RUNNING", "DONE", "FAILED"]
Day = Annotated[str, msgspec.Meta(min_length=1, max_length=10)]
"""A day as the platforms count them, by China's clock (UTC+8): YYYY-MM-DD."""
Account = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""Which merchant at which platform, such as `alipay:2021000000`."""


class ReconcileBill(msgspec.Struct, frozen=True):
    """Compare the platform's bill of a day with our payments and refunds; every channel of the same merchant."""

    channel: Channel
    day: Day


class Reconciliation(msgspec.Struct, frozen=True):
    """How far a comparison is; `account` names the merchant, amounts are in fen, times in ms UTC.

    `lines` of the bill have been compared, `captured` and `refunded` are their sums, `differences` is how many are
    listed; `error` says why it failed, or is tried again. `run` numbers the runs for this account and day.
    """

    account: str
    channel: str
    day: str
    state: ReconciliationState
    run: int
    began_at: int
    ended_at: int | None
    lines: int
    captured: int
    refunded: int
    differences: int
    error: str


class ReconciliationBegun(msgspec.Struct, frozen=True):
    """Refusals: unknown_channel, no_such_day, day_not_over. One that runs already goes on, and is not begun anew."""

    refusal: str = ""
    reconciliation: Reconciliation | None = None


class ListReconciliations(msgspec.Struct, frozen=True):
    """Ask for reconciliations, the latest day first."""

    after: int | None = None
    limit: PageLimit = 100


class ReconciliationsPage(msgspec.Struct, frozen=True):
    """Reconciliations; `next` is the `after` of the next page, None at the end."""

    reconciliations: tuple[Reconciliation, ...]
    next: int | None = None


class FindReconciliation(msgspec.Struct, frozen=True):
    """Ask for the comparison of one channel's merchant and day."""

    channel: Channel
    day: Day


class ReconciliationFound(msgspec.Struct, frozen=True):
    """It, None when none was ever begun."""

    reconciliation: Reconciliation | None = None


class Difference(msgspec.Struct, frozen=True):
    """A line in which a bill and we differ; amounts in fen (0 for none), `at` in ms UTC.

    `number` and `refund_number` are the merchant's, `trade_no` the platform's own.
    """

    difference_id: int
    kind: DifferenceKind
    account: str
    day: str
    number: str
    refund_number: str
    trade_no: str
    ours: int
    theirs: int
    at: int
    detail: str


class BillOf(msgspec.Struct, frozen=True):
    """A merchant's bill of one day; `account` as a Reconciliation has it."""

    account: Account
    day: Day


class ListDifferences(msgspec.Struct, frozen=True):
    """Ask for differences, the oldest first, behind `after`: of one bill, or of all."""

    after: int | None = None
    limit: PageLimit = 100
    bill: BillOf | None = None


class DifferencesPage(msgspec.Struct, frozen=True):
    """Differences; `next` is the `after` of the next page, None at the end."""

    differences: tuple[Difference, ...]
    next: int | None = None


class BillsOfOrder(msgspec.Struct, frozen=True):
    """Ask what bills say of an order's payments and refunds."""

    order_id: int


class BillsFound(msgspec.Struct, frozen=True):
    """The comparisons of the days on which its money moved, and the lines of any bill about it that differ."""

    reconciliations: tuple[Reconciliation, ...] = ()
    differences: tuple[Difference, ...] = ()


RECONCILE = Operation("payments", "Reconcile", ReconcileBill, ReconciliationBegun)
RECONCILIATION = Operation("payments", "Reconciliation", FindReconciliation, ReconciliationFound)
RECONCILIATIONS = Operation("payments", "Reconciliations", ListReconciliations, ReconciliationsPage)
DIFFERENCES = Operation("payments", "Differences", ListDifferences, DifferencesPage)
OF_ORDER = Operation("payments", "BillsOfOrder", BillsOfOrder, BillsFound)
