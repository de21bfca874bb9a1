"""The context of a trace as it comes in and goes out."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine import messages, tracing
from makegood.engine.broker.port import Message
from makegood.shop.orders.contracts import Cancelled
from makegood.shop.orders.steps import Settle

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BROKEN = (
    "",
    "nonsense",
    GOOD.upper(),
    GOOD[:-1],
    GOOD + "0",
    GOOD + "-more",
    GOOD.replace("-01", "-0g"),
    "ff" + GOOD[2:],
    "00-" + "0" * 32 + "-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    "01" + GOOD[2:] + "-" + "x" * 300,
    "\u0661" + GOOD[1:],
)


@pytest.mark.parametrize("given", BROKEN)
def test_broken_ones_are_none(given: str) -> None:
    """What is no traceparent begins nothing, and ends what was before."""
    tracing.enter(GOOD)
    tracing.enter(tracing.incoming(given))
    assert tracing.outgoing() == ""


def test_a_good_one_goes_on() -> None:
    """What comes in goes out, and its trace's id is known."""
    tracing.enter(tracing.incoming(GOOD))
    assert tracing.outgoing() == GOOD
    assert tracing.trace_id_of(tracing.current()) == "0af7651916cd43dd8448eb211c80319c"
    tracing.enter("")
    assert (tracing.outgoing(), tracing.trace_id_of("")) == ("", "")


def test_not_recorded_is_not_followed() -> None:
    """A trace whose caller does not record it is none; other flags do not matter."""
    assert tracing.incoming(GOOD[:-2] + "00") == ""
    assert tracing.incoming(GOOD[:-2] + "02") == ""
    assert tracing.incoming(GOOD[:-2] + "03") == GOOD


def test_later_versions() -> None:
    """A later version is read as far as this one goes, and goes on as this one."""
    assert tracing.incoming("01" + GOOD[2:] + "-what-will-be") == GOOD


@given(st.text(max_size=60) | st.from_regex("[0-9a-f-]{55}", fullmatch=True))
def test_anything(given: str) -> None:
    """Whatever comes in, what goes out is a traceparent, or nothing."""
    followed = tracing.incoming(given)
    assert followed in ("", f"00-{given[3:52]}-01")
    assert followed == "" or len(followed) == tracing.LENGTH


async def test_tasks_have_their_own() -> None:
    """A task begins in the trace of who made it, and does not change that of others."""

    async def other() -> tuple[str, str]:
        before = tracing.outgoing()
        tracing.enter("")
        await asyncio.sleep(0)
        return before, tracing.outgoing()

    with tracing.using(GOOD):
        assert await asyncio.create_task(other()) == (GOOD, "")
        assert tracing.outgoing() == GOOD
    assert tracing.outgoing() == ""


def test_names() -> None:
    """A request names its ids and those of the structs it holds; its own come first, texts that are too long never."""
    assert tracing.names_of(Settle(7, "", 0, ())) == {"order_id": "7"}
    assert tracing.names_of(Cancelled(9, "alice", "late", ())) == {"order_id": "9"}
    message = Message("t", "x" * 65, b"", properties={"some_id": "1"})
    assert tracing.names_of(message) == {}
    assert tracing.names_of(None) == tracing.names_of(3) == tracing.names_of({"order_id": 4}) == {}


BODIES = st.binary(max_size=80) | st.sampled_from([b"{}", b'{"a":1}', b'{"traceparent":"x"}', b'{ "a": 1}'])
KEPT = b'{"makegood:traceparent":"'


@given(BODIES | BODIES.map(KEPT.__add__) | BODIES.map(lambda body: messages.kept_with(GOOD, body)))
def test_kept_bodies_come_back(body: bytes) -> None:
    """A body comes back as it was, whether its trace could be kept with it or not."""
    stored = messages.kept_with(GOOD, body)
    assert messages.kept(stored) == ((GOOD if body.startswith(b"{") else ""), body)
    assert messages.kept(messages.kept_with("", body)) == ("", body)


@pytest.mark.parametrize("said", [1, None, ["x"], {"a": 1}, "nonsense", GOOD[:-2] + "00"])
def test_strange_envelopes(said: object) -> None:
    """An envelope of another program whose traceparent is none is an envelope without one."""
    [plain] = messages.unpack(Message("t", "m", b'[{"id":"1","at":2,"data":{}}]'))
    assert plain.traceparent == ""
    assert messages.trace_of_event(messages.Envelope("1", 2, plain.data, said)) == ""
    assert messages.trace_of(Message("t", "m", b"", properties={"traceparent": "broken"})) == ""
