"""Orders and payments of a user, but for the placing of an order, which is in `hot`."""

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from makegood.web.access import USER, Access, UserRequest
from makegood.web.bodies import read, takes
from makegood.web.catalogue import After, Limit
from makegood.web.client_ip import client_ip
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import NewPayment, parse_after, parse_id
from makegood.web.views import OrderList, OrderView, PaymentView

TIMEOUT = 5.0
"""Seconds to wait for an answer of the shop's own."""
PLATFORM_TIMEOUT = 15.0
"""Seconds to wait where a payment platform has to be asked."""
Change = Operation[orders.ChangeOrder, orders.Changed]


def routes(shop: Shop, access: Access, client_ip_header: str) -> list[HTTPRouteHandler]:
    """Lists, looks at, cancels, refunds, receives and pays the user's own orders."""
    return [*_looking(shop, access), *_changing(shop, access), _paying(shop, access, client_ip_header)]


async def find_order(shop: Shop, order_id: int, user: str | None) -> orders.Order:
    """The order, with `user` only if it is theirs; raises Problem not_found."""
    found = await shop.call(orders.FIND, orders.FindOrder(order_id, user), Deadline.after(TIMEOUT))
    if found.order is None:
        raise Problem("not_found")
    return found.order


async def change_order(shop: Shop, operation: Change, order_id: str, user: str | None) -> Response[OrderView]:
    """Asks for the change: 200 with the order as it is now, 202 while that is not settled; or raises Problem."""
    request = orders.ChangeOrder(parse_id(order_id), user)
    changed = await shop.call(operation, request, Deadline.after(PLATFORM_TIMEOUT))
    if changed.refusal:
        raise Problem(changed.refusal)
    order = changed.order or await find_order(shop, request.order_id, user)
    return Response(OrderView.of(order), status_code=202 if changed.undecided else 200)


def _looking(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/orders", guards=[access.user], security=USER)
    async def own_orders(request: UserRequest, after: After = None, limit: Limit = 100) -> OrderList:
        """The user's decided orders, the newest first."""
        wanted = orders.OrdersOfUser(request.user, parse_after(after), limit)
        found = await shop.call(orders.OF_USER, wanted, Deadline.after(TIMEOUT))
        following = None if found.next is None else str(found.next)
        return OrderList([OrderView.of(order) for order in found.orders], following)

    @get("/api/orders/{order_id:str}", guards=[access.user], security=USER)
    async def order(request: UserRequest, order_id: FromPath[str]) -> OrderView:
        """One of the user's orders, decided or not."""
        return OrderView.of(await find_order(shop, parse_id(order_id), request.user))

    return [own_orders, order]


def _changing(shop: Shop, access: Access) -> list[HTTPRouteHandler]:
    @post("/api/orders/{order_id:str}/cancel", status_code=200, guards=[access.user], security=USER)
    async def cancel(request: UserRequest, order_id: FromPath[str]) -> Response[OrderView]:
        """Cancels an order that is not paid; 202 while the payment platform has not closed its payment."""
        return await change_order(shop, orders.CANCEL, order_id, request.user)

    @post("/api/orders/{order_id:str}/refund", status_code=200, guards=[access.user], security=USER)
    async def refund(request: UserRequest, order_id: FromPath[str]) -> Response[OrderView]:
        """Asks for the money of a paid order back; the refund itself follows."""
        return await change_order(shop, orders.REFUND, order_id, request.user)

    @post("/api/orders/{order_id:str}/receive", status_code=200, guards=[access.user], security=USER)
    async def receive(request: UserRequest, order_id: FromPath[str]) -> Response[OrderView]:
        """Says that a shipped order has arrived."""
        return await change_order(shop, orders.RECEIVE, order_id, request.user)

    return [cancel, refund, receive]


def _paying(shop: Shop, access: Access, client_ip_header: str) -> HTTPRouteHandler:
    @post("/api/payments", guards=[access.user], security=USER, opt=takes(NewPayment))
    async def pay(request: UserRequest) -> PaymentView:
        """Opens a payment of an order at a platform; asking again gives the same payment."""
        wanted = await read(request, NewPayment)
        peer = request.client.host if request.client else ""
        address = client_ip(peer, request.headers, client_ip_header)
        question = payments.OpenPayment(request.user, parse_id(wanted.order_id), wanted.channel, address)
        opened = await shop.call(payments.OPEN, question, Deadline.after(PLATFORM_TIMEOUT))
        if opened.refusal:
            raise Problem(opened.refusal)
        return PaymentView(str(opened.payment_id), opened.pay_url)

    return pay
