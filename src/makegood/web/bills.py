"""Reconciliation over HTTP: a platform's daily bill against our payments and refunds."""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from makegood.engine.deadline import Deadline
from makegood.shop.payments import bill_contracts
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.bill_days import day_number
from makegood.times import rfc3339
from makegood.web.access import OPERATOR, Access, UserRequest
from makegood.web.bodies import read, takes
from makegood.web.catalogue import After, Limit
from makegood.web.links import numbers_in, orders_of
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import parse_after

TIMEOUT = 10.0
"""Seconds to wait for the services."""


OfAccount = Annotated[
    str | None, QueryParameter(min_length=1, max_length=64, description="With `date`: of this merchant's bill alone")
]
OfDate = Annotated[
    str | None, QueryParameter(min_length=1, max_length=10, description="With `account`: of this day's bill alone")
]


class NewReconciliation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which bill to compare: the day is the platform's own, by China's clock."""

    channel: payments.Channel
    date: bill_contracts.Day


class ReconciliationView(msgspec.Struct, frozen=True):
    """How far a comparison is; `account` names the merchant, amounts are in fen.

    RUNNING with an `error` is tried again: the bill is not ready, or the platform did not answer.
    """

    account: str
    channel: str
    date: str
    state: bill_contracts.ReconciliationState
    run: int
    began_at: str
    ended_at: str | None
    lines: int
    captured: int
    refunded: int
    differences: int
    error: str

    @classmethod
    def of(cls, one: bill_contracts.Reconciliation) -> "ReconciliationView":
        """The comparison as operators see it."""
        return cls(
            account=one.account,
            channel=one.channel,
            date=one.day,
            state=one.state,
            run=one.run,
            began_at=rfc3339(one.began_at),
            ended_at=None if one.ended_at is None else rfc3339(one.ended_at),
            lines=one.lines,
            captured=one.captured,
            refunded=one.refunded,
            differences=one.differences,
            error=one.error,
        )


class ReconciliationList(msgspec.Struct, frozen=True):
    """Comparisons, those begun last first; `next` is the `after` of the next page, null at the end."""

    reconciliations: list[ReconciliationView]
    next: str | None


class DifferenceView(msgspec.Struct, frozen=True):
    """A line in which a bill and we differ; amounts in fen, 0 for none; `order_id` if its number is one of ours."""

    kind: bill_contracts.DifferenceKind
    account: str
    date: str
    number: str
    refund_number: str
    trade_no: str
    ours: int
    theirs: int
    at: str
    detail: str
    order_id: str | None

    @classmethod
    def of(cls, one: bill_contracts.Difference, order_id: int | None) -> "DifferenceView":
        """The difference as operators see it."""
        return cls(
            kind=one.kind,
            account=one.account,
            date=one.day,
            number=one.number,
            refund_number=one.refund_number,
            trade_no=one.trade_no,
            ours=one.ours,
            theirs=one.theirs,
            at=rfc3339(one.at),
            detail=one.detail,
            order_id=None if order_id is None else str(order_id),
        )


class DifferenceList(msgspec.Struct, frozen=True):
    """Differences, the oldest first; `next` is the `after` of the next page, null at the end."""

    differences: list[DifferenceView]
    next: str | None


def routes(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    """Everything operators do and see of bills."""
    return [_reconcile(shop, access), *_looks(shop, access)]


def _reconcile(shop: Shop, access: Access) -> HTTPRouteHandler:
    @post(
        "/api/ops/reconciliations",
        status_code=202,
        guards=[access.operator],
        security=OPERATOR,
        opt=takes(NewReconciliation),
    )
    async def reconcile(request: UserRequest) -> ReconciliationView:
        """Begins to compare a day's bill with what we have; one that runs goes on. Look at it until it has ended."""
        wanted = await read(request, NewReconciliation)
        question = bill_contracts.ReconcileBill(wanted.channel, wanted.date)
        answer = await shop.call(bill_contracts.RECONCILE, question, Deadline.after(TIMEOUT))
        if answer.refusal or answer.reconciliation is None:
            raise Problem(answer.refusal or "not_found")
        return ReconciliationView.of(answer.reconciliation)

    return reconcile


def _looks(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/ops/reconciliations/{channel:str}/{date:str}", guards=[access.operator], security=OPERATOR)
    async def reconciliation(channel: FromPath[str], date: FromPath[str]) -> ReconciliationView:
        """How far the comparison of a day is."""
        try:
            wanted = msgspec.convert({"channel": channel, "day": date}, bill_contracts.FindReconciliation)
        except msgspec.ValidationError as error:
            raise Problem("not_found") from error
        found = await shop.call(bill_contracts.RECONCILIATION, wanted, Deadline.after(TIMEOUT))
        if found.reconciliation is None:
            raise Problem("not_found")
        return ReconciliationView.of(found.reconciliation)

    @get("/api/ops/reconciliations", guards=[access.operator], security=OPERATOR)
    async def reconciliations(after: After = None, limit: Limit = 100) -> ReconciliationList:
        """Comparisons of bills."""
        wanted = bill_contracts.ListReconciliations(parse_after(after), limit)
        page = await shop.call(bill_contracts.RECONCILIATIONS, wanted, Deadline.after(TIMEOUT))
        return ReconciliationList([ReconciliationView.of(one) for one in page.reconciliations], _text(page.next))

    @get("/api/ops/differences", guards=[access.operator], security=OPERATOR)
    async def differences(
        after: After = None, limit: Limit = 100, account: OfAccount = None, date: OfDate = None
    ) -> DifferenceList:
        """In what the platforms' bills and we differ: in one bill, or in all."""
        wanted = bill_contracts.ListDifferences(parse_after(after), limit, _bill(account, date))
        page = await shop.call(bill_contracts.DIFFERENCES, wanted, Deadline.after(TIMEOUT))
        named = [(one, numbers_in(one.number)) for one in page.differences]
        found = await orders_of(shop, [id for _, ids in named for id in ids])
        views = [DifferenceView.of(one, next((found[id] for id in ids if id in found), None)) for one, ids in named]
        return DifferenceList(views, _text(page.next))

    return [reconciliation, reconciliations, differences]


def _bill(account: str | None, date: str | None) -> bill_contracts.BillOf | None:
    if account is None and date is None:
        return None
    if account is None or date is None:
        raise Problem("malformed", "give `account` and `date` together, or none of them")
    if day_number(date) is None:
        raise Problem("no_such_day")
    return bill_contracts.BillOf(account, date)


def _text(id: int | None) -> str | None:
    return None if id is None else str(id)
