"""What operators do: ship orders, refund payments, replay dead letters, load files, open sessions, look into orders."""

import asyncio
from itertools import count

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from makegood.engine.deadline import Deadline
from makegood.load import MAX_DOCUMENT, LoadDocument, LoadRefused, LoadReport, load
from makegood.shop.accounts import contracts as accounts
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from makegood.shop.types import IdempotencyKey
from makegood.times import rfc3339
from makegood.web import buying, letters
from makegood.web.access import OPERATOR, Access, UserRequest
from makegood.web.asgi import Receive, check_json, header, read_body
from makegood.web.bodies import read, takes
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import NewRefund, UserName, parse_id
from makegood.web.sessions import session_view
from makegood.web.timeline import Timeline, timeline
from makegood.web.tokens import Tokens
from makegood.web.views import OrderView, SessionView

TIMEOUT = 5.0
"""Seconds to wait for the services."""


class RefundView(msgspec.Struct, frozen=True):
    """A refund that was asked for; `amount` in fen. The platform's answer follows."""

    refund_id: str
    amount: int
    state: payments.RefundState
    at: str


def routes(shop: Shop, access: Access, tokens: Tokens) -> list[HTTPRouteHandler]:
    """Everything operators do to orders, payments, users and the catalogue."""
    return [
        *_orders(shop, access),
        *letters.routes(shop, access),
        _refund(shop, access),
        _sessions(shop, access, tokens),
        _load(shop, access),
    ]


def _orders(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @post("/api/ops/orders/{order_id:str}/ship", status_code=200, guards=[access.operator], security=OPERATOR)
    async def ship(order_id: FromPath[str]) -> Response[OrderView]:
        """Says that a paid order was shipped."""
        return await buying.change_order(shop, orders.SHIP, order_id, None)

    @get("/api/ops/orders/{order_id:str}/timeline", guards=[access.operator], security=OPERATOR)
    async def order_timeline(order_id: FromPath[str]) -> Timeline:
        """All that every service knows about an order, in the order in which it happened."""
        return await timeline(shop, parse_id(order_id))

    return [ship, order_timeline]


def _refund(shop: Shop, access: Access) -> HTTPRouteHandler:
    numbers = count(1)

    @post(
        "/api/ops/payments/{payment_id:str}/refund",
        status_code=202,
        guards=[access.operator],
        security=OPERATOR,
        opt=takes(NewRefund),
    )
    async def refund(request: UserRequest, payment_id: FromPath[str]) -> RefundView:
        """Refunds a part of a payment, or all of it. With an Idempotency-Key a repeat is harmless."""
        wanted = await read(request, NewRefund)
        key = _refund_key(request) or f"console-{shop.now()}-{next(numbers)}"
        question = payments.RefundPart(parse_id(payment_id), wanted.amount, key)
        answer = await shop.call(payments.REFUND, question, Deadline.after(TIMEOUT))
        if answer.refusal or answer.refund is None:
            raise Problem(answer.refusal or "not_refundable")
        one = answer.refund
        return RefundView(str(one.refund_id), one.amount, one.state, rfc3339(one.at))

    return refund


def _sessions(shop: Shop, access: Access, tokens: Tokens) -> HTTPRouteHandler:
    @post("/api/ops/sessions", status_code=200, guards=[access.operator], security=OPERATOR, opt=takes(UserName))
    async def sessions(request: UserRequest) -> SessionView:
        """Gives a user's bearer token without the password."""
        user = (await read(request, UserName)).user
        account = await shop.call(accounts.FIND, accounts.FindAccount(user), Deadline.after(TIMEOUT))
        if not account.exists:
            raise Problem("not_found", "Nobody has loaded this user")
        return session_view(tokens, user)

    return sessions


def _load(shop: Shop, access: Access) -> HTTPRouteHandler:
    running = asyncio.Lock()

    @post("/api/ops/load", status_code=200, guards=[access.operator], security=OPERATOR, opt=takes(LoadDocument))
    async def load_document(request: UserRequest) -> LoadReport:
        """Takes in goods, users and coupons, all of the document or nothing; at most 8 MiB. Repeating is harmless."""
        if running.locked():
            raise Problem("load_in_progress")
        async with running:
            return await _loaded(shop, request)

    return load_document


async def _loaded(shop: Shop, request: UserRequest) -> LoadReport:
    headers = list(request.scope["headers"])
    check_json(header(headers, b"content-type"))
    receive: Receive = request.receive  # pyright: ignore[reportAssignmentType]
    document = await read_body(receive, MAX_DOCUMENT, header(headers, b"content-length"))
    try:
        return await load(shop.call, document)
    except LoadRefused as refused:
        raise Problem("load_refused", problems=refused.problems) from refused


def _refund_key(request: UserRequest) -> str | None:
    value = request.headers.get("idempotency-key")
    try:
        return value and msgspec.convert(value, IdempotencyKey)
    except msgspec.ValidationError as error:
        raise Problem("malformed", "The Idempotency-Key is 1 to 128 printable ASCII characters, no space") from error
