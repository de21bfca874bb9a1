"""What operators look at: promises, services, and what a person has to settle."""

from collections.abc import Sequence

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from makegood.engine.deadline import Deadline
from makegood.shop.orders.steps import OPEN
from makegood.shop.payments import contracts as payments
from makegood.times import rfc3339
from makegood.web.access import OPERATOR, Access
from makegood.web.catalogue import After, Limit
from makegood.web.links import numbers_in, orders_of
from makegood.web.port import AuditReport, FunctionFigures, GroupFigures, PromiseChecked, ServiceFigures, Shop
from makegood.web.requests import parse_after
from makegood.web.waiting import in_time

TIMEOUT = 10.0
"""Seconds to wait for the services."""
AUDIT_TIMEOUT = 110.0
"""Seconds that an audit may take over HTTP; `makegood audit` has no such limit when the shop is stopped."""


class AuditView(msgspec.Struct, frozen=True):
    """Every promise, and whether all of them are kept."""

    at: str
    kept: bool
    promises: tuple[PromiseChecked, ...]

    @classmethod
    def of(cls, report: AuditReport) -> "AuditView":
        """The report as operators see it."""
        kept = all(one.broken == 0 for one in report.promises)
        return cls(rfc3339(report.at), kept, report.promises)


class FunctionView(msgspec.Struct, frozen=True):
    """What one function of a service has done since it started, and how many calls wait for it.

    `failed` calls raised, `expired` ones had no answer by their deadline, `shed` ones were refused at once;
    `milliseconds` is time in its transactions.
    """

    function: str
    batches: int
    requests: int
    failed: int
    expired: int
    shed: int
    waiting: int
    milliseconds: int

    @classmethod
    def of(cls, one: FunctionFigures) -> "FunctionView":
        """The function as operators see it."""
        took = round(one.seconds * 1000)
        return cls(one.function, one.batches, one.requests, one.failed, one.expired, one.shed, one.waiting, took)


class ServiceView(msgspec.Struct, frozen=True):
    """What a service in this process has done since it started, and what waits in it now.

    `queue` is calls that wait, `outbox` messages not yet sent, `lag` messages its groups have not handled, `set_aside`
    events to be tried again, `dead` those given up, `tasks_late` tasks that should have begun. Counts of stored rows
    end at 1,000.
    """

    service: str
    batches: int
    requests: int
    failures: int
    commits: int
    queue: int
    outbox: int
    lag: int
    set_aside: int
    dead: int
    tasks_due: int
    tasks_late: int
    functions: list[FunctionView]
    groups: tuple[GroupFigures, ...]

    @classmethod
    def of(cls, one: ServiceFigures) -> "ServiceView":
        """The service as operators see it."""
        return cls(
            service=one.service,
            batches=one.batches,
            requests=one.requests,
            failures=one.failures,
            commits=one.commits,
            queue=one.queue,
            outbox=one.outbox,
            lag=one.lag,
            set_aside=one.set_aside,
            dead=one.dead,
            tasks_due=one.tasks_due,
            tasks_late=one.tasks_late,
            functions=[FunctionView.of(function) for function in one.functions],
            groups=one.groups,
        )


class ServiceList(msgspec.Struct, frozen=True):
    """Figures of the services in this process."""

    services: list[ServiceView]


class Figures(msgspec.Struct, frozen=True):
    """What the shop has done since it started: all of it only grows, so a rate is a difference by a difference of `at`.

    `orders` were opened in `order_batches` transactions, repeats of a key included; `requests` and `batches` are those
    of all functions, `shed` and `failed` the requests that were refused at once or raised. `at` is ms since 1970 UTC.
    """

    at: int
    orders: int
    order_batches: int
    requests: int
    batches: int
    shed: int
    failed: int

    @classmethod
    def of(cls, services: Sequence[ServiceFigures], at: int) -> "Figures":
        """The sums over all services."""
        functions = [(service.service, one) for service in services for one in service.functions]
        opening = [one for service, one in functions if (service, one.function) == (OPEN.service, OPEN.name)]
        return cls(
            at=at,
            orders=sum(one.requests for one in opening),
            order_batches=sum(one.batches for one in opening),
            requests=sum(one.requests for _, one in functions),
            batches=sum(one.batches for _, one in functions),
            shed=sum(one.shed for _, one in functions),
            failed=sum(one.failed for _, one in functions),
        )


class BreakView(msgspec.Struct, frozen=True):
    """A difference between a platform and us that a person has to settle; `amount` in fen.

    `order_id` is the order whose payment it is about, null when it is about none of ours.
    """

    break_id: str
    kind: payments.BreakKind
    channel: str
    number: str
    trade_no: str
    amount: int
    at: str
    detail: str
    order_id: str | None

    @classmethod
    def of(cls, one: payments.Break, order_id: int | None) -> "BreakView":
        """The break as operators see it."""
        return cls(
            break_id=str(one.break_id),
            kind=one.kind,
            channel=one.channel,
            number=one.number,
            trade_no=one.trade_no,
            amount=one.amount,
            at=rfc3339(one.at),
            detail=one.detail,
            order_id=_text(order_id),
        )


class BreakList(msgspec.Struct, frozen=True):
    """Breaks, the oldest first; `next` is the `after` of the next page, null at the end."""

    breaks: list[BreakView]
    next: str | None


class NoticeView(msgspec.Struct, frozen=True):
    """A callback that was refused: why, and the beginning of its body.

    `order_id` is the order whose payment it names, null when it names none of ours; nothing of it is proven.
    """

    refusal_id: str
    channel: str
    reason: str
    detail: str
    at: str
    body: str
    order_id: str | None

    @classmethod
    def of(cls, one: payments.RefusedNotice, order_id: int | None) -> "NoticeView":
        """The refusal as operators see it."""
        body = one.body.decode("utf-8", "replace")
        return cls(str(one.refusal_id), one.channel, one.reason, one.detail, rfc3339(one.at), body, _text(order_id))


class NoticeList(msgspec.Struct, frozen=True):
    """Refused callbacks, the newest first; `next` is the `after` of the next page, null at the end."""

    notices: list[NoticeView]
    next: str | None


def routes(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    """Everything operators look at."""
    return [*_reports(shop, access), *_payments(shop, access)]


def _reports(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/ops/audit", guards=[access.operator], security=OPERATOR)
    async def audit() -> AuditView:
        """Checks the shop's promises now."""
        return AuditView.of(await in_time(shop.audit(), AUDIT_TIMEOUT))

    @get("/api/ops/services", guards=[access.operator], security=OPERATOR)
    async def services() -> ServiceList:
        """What the services of this process have done, and what waits in them."""
        return ServiceList([ServiceView.of(one) for one in shop.services()])

    @get("/api/ops/figures", guards=[access.operator], security=OPERATOR)
    async def figures() -> Figures:
        """A few sums that only grow, for who looks every second."""
        return Figures.of(shop.services(), shop.now())

    return [audit, services, figures]


def _payments(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/ops/breaks", guards=[access.operator], security=OPERATOR)
    async def breaks(after: After = None, limit: Limit = 100) -> BreakList:
        """Differences between the payment platforms and us that a person has to settle."""
        wanted = payments.ListBreaks(parse_after(after), limit)
        page = await shop.call(payments.BREAKS, wanted, Deadline.after(TIMEOUT))
        named = [(one, numbers_in(one.number)) for one in page.breaks]
        found = await orders_of(shop, [id for _, ids in named for id in ids])
        return BreakList([BreakView.of(one, _first(found, ids)) for one, ids in named], _text(page.next))

    @get("/api/ops/refused-notices", guards=[access.operator], security=OPERATOR)
    async def refused_notices(after: After = None, limit: Limit = 100) -> NoticeList:
        """Callbacks that were refused, for a bad signature or a wrong amount."""
        wanted = payments.ListRefusedNotices(parse_after(after), limit)
        page = await shop.call(payments.REFUSED_NOTICES, wanted, Deadline.after(TIMEOUT))
        named = [(one, numbers_in(one.body.decode("utf-8", "replace"))) for one in page.notices]
        found = await orders_of(shop, [id for _, ids in named for id in ids])
        return NoticeList([NoticeView.of(one, _first(found, ids)) for one, ids in named], _text(page.next))

    return [breaks, refused_notices]


def _text(id: int | None) -> str | None:
    return None if id is None else str(id)


def _first(orders: dict[int, int], payment_ids: Sequence[int]) -> int | None:
    """The order of the first of these that is a payment of ours."""
    return next((orders[id] for id in payment_ids if id in orders), None)
