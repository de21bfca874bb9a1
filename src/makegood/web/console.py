"""What operators look at: dead letters, promises, services, and what a person has to settle."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from makegood.engine.dead_letters import DeadLetter
from makegood.engine.deadline import Deadline
from makegood.shop.payments import contracts as payments
from makegood.times import rfc3339
from makegood.web.access import OPERATOR, Access
from makegood.web.catalogue import After, Limit
from makegood.web.port import AuditReport, PromiseChecked, ServiceFigures, Shop
from makegood.web.problems import Problem
from makegood.web.requests import parse_after

TIMEOUT = 10.0
"""Seconds to wait for the services."""
AUDIT_TIMEOUT = 110.0
"""Seconds that an audit may take over HTTP; `makegood audit` has no such limit when the shop is stopped."""
T = TypeVar("T")


class DeadLetterView(msgspec.Struct, frozen=True):
    """An event that a consumer could not handle; `next_at` is null when it is tried no more, `body` is JSON text."""

    id: str
    service: str
    group: str
    topic: str
    tag: str
    key: str
    tries: int
    first_at: str
    last_at: str
    next_at: str | None
    error: str
    body: str

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterView":
        """The letter as operators see it."""
        return cls(
            id=letter.id,
            service=letter.service,
            group=letter.group,
            topic=letter.topic,
            tag=letter.tag,
            key=letter.key,
            tries=letter.tries,
            first_at=rfc3339(letter.first_at),
            last_at=rfc3339(letter.last_at),
            next_at=None if letter.next_at is None else rfc3339(letter.next_at),
            error=letter.error,
            body=letter.body,
        )


class DeadLetterList(msgspec.Struct, frozen=True):
    """Dead letters; `next` is the `after` of the next page, null at the end."""

    dead_letters: list[DeadLetterView]
    next: str | None


class Replayed(msgspec.Struct, frozen=True):
    """The dead letter that is tried again."""

    id: str


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


class ServiceList(msgspec.Struct, frozen=True):
    """Figures of the services in this process."""

    services: list[ServiceFigures]


class BreakView(msgspec.Struct, frozen=True):
    """A difference between a platform and us that a person has to settle; `amount` in fen."""

    break_id: str
    kind: payments.BreakKind
    channel: str
    number: str
    trade_no: str
    amount: int
    at: str
    detail: str

    @classmethod
    def of(cls, one: payments.Break) -> "BreakView":
        """The break as operators see it."""
        return cls(
            str(one.break_id), one.kind, one.channel, one.number, one.trade_no, one.amount, rfc3339(one.at), one.detail
        )


class BreakList(msgspec.Struct, frozen=True):
    """Breaks, the oldest first; `next` is the `after` of the next page, null at the end."""

    breaks: list[BreakView]
    next: str | None


class NoticeView(msgspec.Struct, frozen=True):
    """A callback that was refused: why, and the beginning of its body."""

    refusal_id: str
    channel: str
    reason: str
    detail: str
    at: str
    body: str

    @classmethod
    def of(cls, one: payments.RefusedNotice) -> "NoticeView":
        """The refusal as operators see it."""
        body = one.body.decode("utf-8", "replace")
        return cls(str(one.refusal_id), one.channel, one.reason, one.detail, rfc3339(one.at), body)


class NoticeList(msgspec.Struct, frozen=True):
    """Refused callbacks, the newest first; `next` is the `after` of the next page, null at the end."""

    notices: list[NoticeView]
    next: str | None


def routes(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    """Everything operators look at, and the replay of a dead letter."""
    return [*_dead_letters(shop, access), *_reports(shop, access), *_payments(shop, access)]


def _dead_letters(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/ops/dead-letters", guards=[access.operator], security=OPERATOR)
    async def dead_letters(after: After = None, limit: Limit = 100) -> DeadLetterList:
        """Events that consumers could not handle, in the order of their ids."""
        try:
            page = await _in_time(shop.dead_letters(after, limit), TIMEOUT)
        except ValueError as error:
            raise Problem("malformed", "`after` is the `next` of the page before") from error
        return DeadLetterList([DeadLetterView.of(letter) for letter in page.letters], page.next)

    @post(
        "/api/ops/dead-letters/{letter_id:str}/replay",
        status_code=202,
        guards=[access.operator],
        security=OPERATOR,
    )
    async def replay(letter_id: FromPath[str]) -> Replayed:
        """Has the consumer try the event again, from its first try."""
        if not await _in_time(shop.replay_dead_letter(letter_id), TIMEOUT):
            raise Problem("not_found")
        return Replayed(letter_id)

    return [dead_letters, replay]


def _reports(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/ops/audit", guards=[access.operator], security=OPERATOR)
    async def audit() -> AuditView:
        """Checks the shop's promises now."""
        return AuditView.of(await _in_time(shop.audit(), AUDIT_TIMEOUT))

    @get("/api/ops/services", guards=[access.operator], security=OPERATOR)
    async def services() -> ServiceList:
        """What the services of this process have done, and what waits in them."""
        return ServiceList(list(shop.services()))

    return [audit, services]


def _payments(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/ops/breaks", guards=[access.operator], security=OPERATOR)
    async def breaks(after: After = None, limit: Limit = 100) -> BreakList:
        """Differences between the payment platforms and us that a person has to settle."""
        wanted = payments.ListBreaks(parse_after(after), limit)
        page = await shop.call(payments.BREAKS, wanted, Deadline.after(TIMEOUT))
        return BreakList([BreakView.of(one) for one in page.breaks], _text(page.next))

    @get("/api/ops/refused-notices", guards=[access.operator], security=OPERATOR)
    async def refused_notices(after: After = None, limit: Limit = 100) -> NoticeList:
        """Callbacks that were refused, for a bad signature or a wrong amount."""
        wanted = payments.ListRefusedNotices(parse_after(after), limit)
        page = await shop.call(payments.REFUSED_NOTICES, wanted, Deadline.after(TIMEOUT))
        return NoticeList([NoticeView.of(one) for one in page.notices], _text(page.next))

    return [breaks, refused_notices]


def _text(id: int | None) -> str | None:
    return None if id is None else str(id)


async def _in_time(answer: Awaitable[T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await answer
