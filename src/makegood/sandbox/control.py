"""How tests look into the sandbox and move it: JSON, for callers on this machine only."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Request, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import Parameter
from litestar.types import Guard
from msgspec import Meta

from . import notifications, settings, trades
from .clock import MAX_ADVANCE_SECONDS, MAX_SPEED, MIN_SPEED, rfc3339
from .faults import Faults
from .loopback import is_loopback
from .notifications import Attempt, Due
from .platform import Platform
from .trades import Choice, Refund, Trade

T = TypeVar("T")

MAX_PAGE: Final = 1000
MAX_BODY_BYTES: Final = 4096
Identity = Annotated[int, Parameter(ge=0, le=2**62)]
After = Annotated[int, Parameter(ge=0, le=2**62)]
Named = Annotated[str, Parameter(max_length=32)]
Limit = Annotated[int, Parameter(ge=1, le=MAX_PAGE)]


class ClockChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new speed (virtual seconds in a real one), or a jump ahead in virtual seconds."""

    speed: Annotated[float, Meta(ge=MIN_SPEED, le=MAX_SPEED)] | None = None
    advance_seconds: Annotated[float, Meta(ge=0, le=MAX_ADVANCE_SECONDS)] | None = None


class Control:
    """What the routes do.

    `numbers` says, by platform, what a trade's number there is; `references` what the merchant's is, where the ledger
    has another.
    """

    def __init__(
        self,
        platform: Platform,
        numbers: Mapping[str, Callable[[Trade], str]],
        references: Mapping[str, Callable[[Trade], str]],
    ) -> None:
        self._references = references
        self._store = platform.store
        self._clock = platform.clock
        self._notifier = platform.notifier
        self._trouble = platform.trouble
        self._voices = platform.voices
        self._numbered = numbers

    async def trades(self, after: int, limit: int, choice: Choice) -> dict[str, object]:
        """A page of trades with their refunds."""
        found = await self._store.read(
            lambda tx: [self._trade(trade, refunds, tx.now) for trade, refunds in trades.page(tx, after, limit, choice)]
        )
        return {"trades": found, "next": _next(found, limit)}

    async def notifications(self, after: int, limit: int) -> dict[str, object]:
        """A page of notifications with their attempts."""
        page = await self._store.read(lambda tx: notifications.page(tx, after, limit))
        found = [self._notification(due, attempts) for due, attempts in page]
        return {"notifications": found, "next": _next(found, limit)}

    async def resend(self, identity: int) -> dict[str, object]:
        """Makes a notification due now."""
        found = await self._store.write(lambda tx: notifications.resend(tx, identity))
        if found is None:
            raise NotFoundException("There is no such notification, or it was tried 100 times: look at the list.")
        self._notifier.wake()
        return {"id": str(found.id), "due_at": rfc3339(found.due_at)}

    async def change_clock(self, change: ClockChange) -> dict[str, object]:
        """Moves the clock, for good."""
        if change.speed is not None:
            self._clock.set_speed(change.speed)
        if change.advance_seconds is not None:
            self._clock.advance(change.advance_seconds)
        await self._store.write(lambda tx: settings.save(tx, "clock", self._clock.anchor))
        self._notifier.wake()
        return self.clock()

    def clock(self) -> dict[str, object]:
        """What the clock shows."""
        return {"now": rfc3339(self._clock.now()), "speed": self._clock.anchor.speed}

    async def change_faults(self, faults: Faults) -> Faults:
        """Puts faults in force, for good."""
        await self._store.write(lambda tx: settings.save(tx, "faults", faults))
        self._trouble.faults = faults
        self._notifier.wake()
        return faults

    def faults(self) -> Faults:
        """The faults in force."""
        return self._trouble.faults

    def _reference(self, trade: Trade) -> str:
        """The merchant's own number of a trade."""
        reference = self._references.get(trade.platform)
        return reference(trade) if reference else trade.out_trade_no

    def _numbers(self, trade: Trade) -> str | None:
        """The platform's own number of a trade that has come into being."""
        number = self._numbered.get(trade.platform)
        return number(trade) if number and trade.opened_at else None

    def _trade(self, trade: Trade, refunds: list[Refund], now: int) -> dict[str, object]:
        return {
            "id": str(trade.id),
            "platform": trade.platform,
            "product": trade.product,
            "out_trade_no": self._reference(trade),
            "trade_no": self._numbers(trade),
            "subject": trade.subject,
            "amount": trade.amount,
            "state": trade.state(now),
            "refunded": trade.refunded,
            "refunds": [
                {
                    "out_request_no": each.request_no,
                    "amount": each.amount,
                    "status": each.status(now),
                    "at": rfc3339(each.refunded_at),
                }
                for each in refunds
            ],
            "created_at": rfc3339(trade.created_at),
            "expires_at": rfc3339(trade.expires_at),
            "paid_at": rfc3339(trade.paid_at),
            "closed_at": rfc3339(trade.closed_at),
        }

    def _notification(self, due: Due, attempts: list[Attempt]) -> dict[str, object]:
        row = due.notification
        return {
            "id": str(row.id),
            "notify_id": self._voices[due.trade.platform].identify(due),
            "platform": due.trade.platform,
            "event": due.event.kind if due.event else None,
            "out_trade_no": self._reference(due.trade),
            "out_request_no": row.request_no,
            "url": due.url,
            "due_at": rfc3339(row.due_at),
            "delivered_at": rfc3339(row.delivered_at),
            "attempts": [
                {
                    "number": each.number,
                    "at": rfc3339(each.sent_at),
                    "status": each.status,
                    "answer": each.answer,
                    "next_at": rfc3339(each.next_at),
                    "fault": each.twist,
                }
                for each in attempts
            ],
        }


def routes(control: Control) -> list[HTTPRouteHandler]:
    """The addresses below /control."""
    guards: list[Guard] = [loopback_only, loopback_name, own_origin]

    @get("/control/trades", guards=guards)
    async def list_trades(
        after: After = 0, limit: Limit = 100, platform: Named = "", product: Named = ""
    ) -> dict[str, object]:
        return await control.trades(after, limit, Choice(platform, product))

    @get("/control/notifications", guards=guards)
    async def list_notifications(after: After = 0, limit: Limit = 100) -> dict[str, object]:
        return await control.notifications(after, limit)

    @post("/control/notifications/{identity:int}/resend", guards=guards, status_code=202)
    async def resend(identity: Identity) -> dict[str, object]:
        return await control.resend(identity)

    @get("/control/clock", guards=guards)
    async def clock() -> dict[str, object]:
        return control.clock()

    @post("/control/clock", guards=[*guards, _json_only], status_code=200, request_max_body_size=MAX_BODY_BYTES)
    async def change_clock(request: Request[Any, Any, Any]) -> dict[str, object]:
        return await control.change_clock(await _read(request, ClockChange))

    @get("/control/faults", guards=guards)
    async def faults() -> Faults:
        return control.faults()

    @post("/control/faults", guards=[*guards, _json_only], status_code=200, request_max_body_size=MAX_BODY_BYTES)
    async def change_faults(request: Request[Any, Any, Any]) -> Faults:
        return await control.change_faults(await _read(request, Faults))

    return [list_trades, list_notifications, resend, clock, change_clock, faults, change_faults]


def loopback_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: refuses callers from elsewhere."""
    if connection.client is None or not is_loopback(connection.client.host):
        raise PermissionDeniedException("Control is for callers on this machine: use its loopback address.")


def loopback_name(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: a name of another site that was made to mean this machine would show that site what is shown here."""
    host = connection.headers.get("host", "")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if not is_loopback(name):
        raise PermissionDeniedException("This is for this machine: ask for it by its loopback address.")


def own_origin(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: refuses what a page of another site has a browser send."""
    origin = connection.headers.get("origin")
    if origin is not None and origin != f"http://{connection.headers.get('host', '')}":
        raise PermissionDeniedException("That was sent by a page of another site: send it without an Origin.")


def _json_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """What a page of another site can make a browser send without asking is not JSON by its type."""
    if not connection.headers.get("content-type", "").startswith("application/json"):
        raise ClientException("Send Content-Type: application/json.", status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


async def _read(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The body. The framework's own reading fails on text that is not UTF-8, and on what is nested too deep."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClientException(f"That cannot be: {error}.") from error


def _next(found: list[dict[str, object]], limit: int) -> object:
    return found[-1]["id"] if len(found) == limit else None
