"""What the log says of a request that the shop failed to answer."""

import pytest

from makegood.engine.errors import DeadlineExceeded, ServiceUnavailable
from makegood.observe import ObserveSettings, set_up
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from tests.unit.observe.log_lines import log_lines
from tests.unit.observe.recording import recording
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer, order_body

TRACE = "0af7651916cd43dd8448eb211c80319c"
Captured = pytest.CaptureFixture[str]
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


async def _status(alice: Buyer, method: str, path: str, body: object = None) -> int:
    """Of the answer to a traced request, in a process that logs for a log store."""
    set_up(ObserveSettings(logs="json"), "gateway-1")
    headers = alice.headers | TRACED | {"Idempotency-Key": "one"}
    with recording():
        return (await alice.http.request(method, path, headers=headers, json=body)).status_code


@pytest.mark.parametrize(
    ("error", "level"),
    [(ServiceUnavailable("gone"), "warning"), (DeadlineExceeded("slow"), "warning"), (KeyError("bug"), "error")],
)
@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [(orders.CANCEL, "POST", "/api/orders/{}/cancel"), (orders.FIND, "GET", "/api/orders/{}")],
)
async def test_an_order_in_the_path(
    alice: Buyer,
    shop: PeerShop,
    capsys: Captured,
    error: Exception,
    level: str,
    operation: object,
    method: str,
    path: str,
) -> None:
    """A failure has the order that the path names, and the request's trace, with the log line's level."""
    order_id = (await alice.place(order_body())).json()["order_id"]
    shop.failing[str(operation)] = error
    assert await _status(alice, method, path.format(order_id)) >= 500
    [line] = log_lines(capsys)
    assert (line["order_id"], line["trace_id"], line["level"]) == (order_id, TRACE, level)


async def test_an_order_in_the_body(alice: Buyer, shop: PeerShop, capsys: Captured) -> None:
    """A failed payment has the order that is to be paid."""
    order_id = (await alice.place(order_body())).json()["order_id"]
    shop.failing[str(payments.OPEN)] = ServiceUnavailable("gone")
    body = {"order_id": order_id, "channel": "alipay"}
    assert await _status(alice, "POST", "/api/payments", body) == 504
    [line] = log_lines(capsys)
    assert (line["order_id"], line["trace_id"]) == (order_id, TRACE)


async def test_no_order(alice: Buyer, shop: PeerShop, capsys: Captured) -> None:
    """A failed request that names none has its trace alone, and a refusal is no failure: nothing is logged."""
    shop.failing[str(orders.PLACE)] = ServiceUnavailable("gone")
    assert await _status(alice, "POST", "/api/orders", order_body()) == 504
    [line] = log_lines(capsys)
    assert line["trace_id"] == TRACE
    assert "order_id" not in line
    assert await _status(alice, "GET", f"/api/orders/{'9' * 70}") == 404
    assert log_lines(capsys) == []
