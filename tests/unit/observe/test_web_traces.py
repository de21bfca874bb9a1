"""Which requests are traced, and what callers may say about it."""

import pytest

from makegood.engine.errors import ServiceUnavailable
from makegood.shop.orders import contracts as orders
from tests.unit.observe.recording import recording, trace_id_of
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer, order_body

TRACE = "0af7651916cd43dd8448eb211c80319c"
GOOD = f"00-{TRACE}-b7ad6b7169203331-01"
BROKEN = (GOOD.replace("-01", "-zz"), "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", "ÿ" * 55)


async def _status(alice: Buyer, traceparent: str, path: str = "/api/me") -> str:
    """The trace's id that an answer tells, or nothing."""
    headers = [*alice.headers.items(), ("traceparent", traceparent)]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    answer = await alice.http.get(path, headers=raw)
    assert answer.status_code == 200, answer.text
    return answer.headers.get("x-trace-id", "")


async def test_names_and_answers(alice: Buyer) -> None:
    """A span is named by method and route, tells the status, and the answer tells its trace."""
    with recording() as recorded:
        answer = await alice.place(order_body())
        order = answer.json()["order_id"]
        found = await alice.get(f"/api/orders/{order}")
        missing = await alice.get("/api/orders/999")
    spans = recorded.spans()
    assert [span.name for span in spans] == [
        "POST /api/orders",
        "GET /api/orders/{order_id}",
        "GET /api/orders/{order_id}",
    ]
    assert [dict(span.attributes or {})["http.response.status_code"] for span in spans] == [201, 200, 404]
    told = [one.headers["x-trace-id"] for one in (answer, found, missing)]
    assert told == [trace_id_of(span) for span in spans]
    assert len(set(told)) == 3


async def test_the_callers_trace(alice: Buyer) -> None:
    """A request with a traceparent belongs to that trace, under that span, however few are sampled."""
    with recording(sample=0.0) as recorded:
        assert await _status(alice, GOOD) == TRACE
        [span] = recorded.spans()
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


async def test_the_caller_does_not_record(alice: Buyer) -> None:
    """A request whose caller does not record its trace is not traced, however many are sampled."""
    with recording(sample=1.0) as recorded:
        assert await _status(alice, GOOD[:-2] + "00") == ""
        assert recorded.spans() == []


@pytest.mark.parametrize("broken", BROKEN)
async def test_broken_ones_are_ignored(alice: Buyer, broken: str) -> None:
    """A broken traceparent changes nothing: a new trace begins if it is sampled."""
    with recording() as recorded:
        told = await _status(alice, broken)
        [span] = recorded.spans()
        assert told == trace_id_of(span)
        assert told not in broken
        assert span.parent is None


async def test_callers_that_have_no_say(alice: Buyer) -> None:
    """Where callers are not trusted a traceparent of theirs is ignored, sampled or not."""
    with recording(sample=1.0, take_traceparent=False):
        assert await _status(alice, GOOD) not in ("", TRACE)
        assert await _status(alice, GOOD[:-2] + "00") != ""
    with recording(sample=0.0, take_traceparent=False) as recorded:
        assert await _status(alice, GOOD) == ""
        assert recorded.spans() == []


async def test_nothing_sampled(alice: Buyer) -> None:
    """With sampling off nothing is recorded and no answer tells a trace."""
    with recording(sample=0.0) as recorded:
        answer = await alice.place(order_body())
        assert "x-trace-id" not in answer.headers
        assert recorded.spans() == []


async def test_a_part_is_sampled(alice: Buyer) -> None:
    """Of many requests about the part that is wanted is traced."""
    with recording(sample=0.25) as recorded:
        for _ in range(400):
            await alice.get("/api/me")
        assert 60 <= len(recorded.spans()) <= 140


async def test_nothing_without_a_tracer(alice: Buyer) -> None:
    """Without a tracer a traceparent is of no consequence."""
    assert await _status(alice, GOOD) == ""


async def test_health_and_pages(alice: Buyer) -> None:
    """Health, figures and pages are not traced."""
    with recording() as recorded:
        for path in ("/healthz", "/metrics", "/"):
            assert await _status(alice, GOOD, path) == ""
        assert recorded.spans() == []


async def test_failures(alice: Buyer, shop: PeerShop) -> None:
    """A refusal is no failure of its span; an answer of 500 or more is."""
    with recording() as recorded:
        await alice.place(order_body(quantity=100))
        shop.failing[str(orders.PLACE)] = ServiceUnavailable("away")
        await alice.place(order_body())
    refused, failed = recorded.spans()
    assert (refused.status.is_ok, refused.status.is_unset) == (True, True)
    assert (failed.status.is_ok, failed.status.description) == (False, "answered 504")
