"""What a replay asks of the shop, and of the payment sandbox: typed calls over the HTTP API."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

import msgspec
from yarl import URL

from makegood.replay.baskets import Order
from makegood.replay.catalogue import Document
from makegood.replay.errors import ShopError
from makegood.replay.figures import Look, look
from makegood.replay.transport import Answer, Request, Transport
from makegood.replay.wire import (
    Good,
    GoodsPage,
    Me,
    OrderPage,
    OrderRequest,
    OrderView,
    Payment,
    PaymentRequest,
    Refusal,
    Session,
    SessionRequest,
    refusal,
)

PAGE = 100
CHANNEL = "alipay"
_UNDECIDED_WAITS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
T = TypeVar("T")


class ShopClient:
    """Speaks to the shop at `url` as its users, whom the operators' token signs in, and to its sandbox.

    Every call raises ShopError when the answer is not what the API promises, and ShopUnavailableError as
    `Transport.send` does.
    """

    def __init__(self, url: str, operators_token: str, transport: Transport, sandbox_url: str = "") -> None:
        self._url = url.rstrip("/")
        self._sandbox_url = sandbox_url.rstrip("/")
        self._operator = {"Authorization": f"Bearer {operators_token}"}
        self._transport = transport
        self._tokens: dict[str, str] = {}
        self._orders, self._payments = self._to("/api/orders"), self._to("/api/payments")

    @property
    def retries(self) -> int:
        """Requests that had to be asked again."""
        return self._transport.retries

    async def load(self, document: Document) -> None:
        """Loads goods, users and coupons; harmless to repeat. Raises ShopError when the shop refuses."""
        body = msgspec.json.encode(document)
        answer = await self._transport.send(Request("POST", self._to("/api/ops/load"), _JSON | self._operator, body))
        if answer.status >= 300:
            raise ShopError(
                f"the shop refuses the catalogue: {refusal(answer.status, answer.body)}; "
                "replay into a new folder, or at least as many baskets as last time"
            )

    async def place(self, order: Order, key: str) -> OrderView | Refusal:
        """Places the order under this idempotency key; asks again while it is undecided."""
        body = OrderRequest(order.lines, order.balance, order.shipping_fee, order.amount_due, order.coupon_id)
        content = msgspec.json.encode(body)
        headers = {"Idempotency-Key": key}
        answer = await self._as_user(order.user, "POST", self._orders, content, headers)
        for wait in _UNDECIDED_WAITS:
            if answer.status != 202:
                break
            await asyncio.sleep(wait)
            answer = await self._as_user(order.user, "POST", self._orders, content, headers)
        return _result(answer, OrderView, (200, 201))

    async def open_payment(self, user: str, order_id: str) -> Payment | Refusal:
        """Opens a payment of the order, or finds the one that is open."""
        body = msgspec.json.encode(PaymentRequest(order_id, CHANNEL))
        return _result(await self._as_user(user, "POST", self._payments, body), Payment, (200, 201))

    async def pay(self, payment: Payment) -> Refusal | None:
        """Pays at the cashier's page, as its button does."""
        request = Request("POST", _address(payment.pay_url), _FORM, b"action=pay")
        answer = await self._transport.send(request)
        return refusal(answer.status, answer.body) if answer.status >= 400 else None

    async def order(self, user: str, order_id: str) -> OrderView:
        """One order; raises ShopError when the user has no such order."""
        answer = await self._as_user(user, "GET", self._to(f"/api/orders/{order_id}"))
        return _granted(answer, OrderView)

    async def orders(self, user: str) -> list[OrderView]:
        """All orders of a user."""
        found: list[OrderView] = []
        after: str | None = ""
        while after is not None:
            answer = await self._as_user(user, "GET", self._page("/api/orders", after))
            page = _granted(answer, OrderPage)
            found += page.orders
            after = _next(after, page.next)
        return found

    async def me(self, user: str) -> Me:
        """What a user has."""
        return _granted(await self._as_user(user, "GET", self._to("/api/me")), Me)

    async def goods(self, user: str) -> AsyncIterator[Good]:
        """Everything the shop sells, a page at a time, as a user sees it."""
        after: str | None = ""
        while after is not None:
            answer = await self._as_user(user, "GET", self._page("/api/goods", after))
            page = _granted(answer, GoodsPage)
            for good in page.goods:
                yield good
            after = _next(after, page.next)

    async def figures(self) -> Look | None:
        """What the shop says of itself at `/metrics`; None while it is away, or says nothing of the kind."""
        return await self._look(self._url)

    async def sandbox_figures(self) -> Look | None:
        """The same of the sandbox."""
        return await self._look(self._sandbox_url) if self._sandbox_url else None

    async def _look(self, base: str) -> Look | None:
        answer = await self._transport.glance(_address(base + "/metrics"))
        if answer is None or answer.status != 200:
            return None
        try:
            return look(answer.body.decode())
        except ValueError:
            return None

    async def _as_user(
        self, user: str, method: str, url: URL, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = _JSON | dict(headers or {})
        answer = await self._transport.send(Request(method, url, sent | await self._token(user), body))
        if answer.status == 401:
            # The session ended while the replay ran: a new one, once.
            self._tokens.pop(user, None)
            answer = await self._transport.send(Request(method, url, sent | await self._token(user), body))
        return answer

    async def _token(self, user: str) -> dict[str, str]:
        if user not in self._tokens:
            body = msgspec.json.encode(SessionRequest(user))
            url = self._to("/api/ops/sessions")
            answer = await self._transport.send(Request("POST", url, _JSON | self._operator, body))
            self._tokens[user] = _granted(answer, Session).token
        return {"Authorization": f"Bearer {self._tokens[user]}"}

    def _to(self, path: str) -> URL:
        return _address(self._url + path)

    def _page(self, path: str, after: str) -> URL:
        query = {"limit": str(PAGE)} | ({"after": after} if after else {})
        return self._to(path).with_query(query)


def _address(text: str) -> URL:
    try:
        address = URL(text, encoded=True)
    except ValueError:
        address = URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise ShopError(f"{text!r} is no http address: check the shop's URL and its configuration")
    return address


def _next(after: str, following: str | None) -> str | None:
    if following is not None and following == after:
        raise ShopError(f"the shop's list does not go on after {after!r}: report this as a bug of the shop")
    return following


def _result(answer: Answer, kind: type[T], accepted: tuple[int, ...]) -> T | Refusal:
    if answer.status in accepted:
        return _decoded(answer.body, kind)
    if answer.status == 202:
        return Refusal(202, "undecided", "the order was not decided in time")
    return refusal(answer.status, answer.body)


def _granted(answer: Answer, kind: type[T]) -> T:
    if answer.status >= 300:
        raise ShopError(f"the shop refuses: {refusal(answer.status, answer.body)}; check the operators' token")
    return _decoded(answer.body, kind)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ShopError(f"the shop's answer is no {kind.__name__} ({error}): update makegood") from error
