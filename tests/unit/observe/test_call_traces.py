"""A trace follows a call into another process."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.trace import SpanKind, StatusCode

from makegood.engine import tracing
from makegood.engine.deadline import Deadline
from makegood.engine.errors import OperationFailed, ServiceUnavailable
from makegood.engine.registry.port import Provider
from makegood.engine.registry.static import StaticRegistry
from makegood.engine.rpc.triple import TripleCaller
from makegood.engine.world import SystemWorld
from tests.contract.rpc.parrot import ECHO, FAIL, HERE, INTERFACE, TOGETHER, Parrot, Say, hosts, triple
from tests.support.shop_process import ROOT
from tests.unit.observe.collector import Collector
from tests.unit.observe.recording import recording, trace_id_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_a_call_to_another_host() -> None:
    """The call's span is the parent of its answering, which is that of the batch; both say what was called."""
    with recording() as recorded:
        async with hosts(Parrot()) as caller:
            with tracing.using(PARENT):
                await caller.call(TOGETHER, Say("hello"), Deadline.after(10))
        spans = recorded.spans(TRACE)
    named = [(span.name, span.kind) for span in spans]
    call = "makegood.Parrot/Together"
    assert sorted(named, key=str) == sorted(
        [
            (call, SpanKind.CLIENT),
            (call, SpanKind.SERVER),
            ("parrot.Together", SpanKind.INTERNAL),
            ("batch of parrot.Together", SpanKind.INTERNAL),
        ],
        key=str,
    )
    [batch] = [span for span in spans if span.name.startswith("batch")]
    assert recorded.path(batch) == [call, call, "parrot.Together", "batch of parrot.Together"]
    for span in spans:
        if span.name == call:
            assert dict(span.attributes or {})["rpc.service"] == INTERFACE


async def test_a_call_that_fails() -> None:
    """Why there was no answer is in the spans of both sides; the next call of the same task is not theirs."""
    with recording() as recorded:
        async with triple(Parrot()) as flock:
            with tracing.using(PARENT):
                with pytest.raises(OperationFailed):
                    await flock.say("OperationFailed", FAIL)
                assert tracing.current() == PARENT
        spans = recorded.spans(TRACE)
    assert {span.kind for span in spans} == {SpanKind.CLIENT, SpanKind.SERVER}
    for span in spans:
        assert span.status.status_code is StatusCode.ERROR
        assert "polly has OperationFailed" in (span.status.description or "")


async def test_nobody_answers() -> None:
    """A call that finds no provider fails its span."""
    with recording() as recorded:
        async with triple() as flock:
            with tracing.using(PARENT), pytest.raises(ServiceUnavailable):
                await flock.say("hello", ECHO)
        [span] = recorded.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert trace_id_of(span) == TRACE


async def test_untraced_calls() -> None:
    """A call that is not traced records nothing."""
    with recording() as recorded:
        async with triple(Parrot()) as flock:
            await flock.say("hello", ECHO)
        assert recorded.spans() == []


@contextmanager
def _parrot_process(collector: Collector) -> Generator[int]:
    """The port of a parrot in a process of its own that sends its spans there; it sends the last ones at the end."""
    command = (sys.executable, "-m", "tests.unit.observe.traced_parrot", collector.url)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    with process, closing(process.stdin):
        yield int(process.stdout.readline())
        process.stdin.close()
        process.wait(20)


async def test_two_processes(collector: Collector) -> None:
    """What another process records of a call is a child of the span of the process that called."""
    with recording() as recorded:
        with _parrot_process(collector) as port:
            caller = TripleCaller(StaticRegistry({INTERFACE: [Provider(HERE, port)]}), SystemWorld())
            with tracing.using(PARENT):
                said = await caller.call(ECHO, Say("hello"), Deadline.after(10))
            await caller.close()
        [client] = recorded.spans()
    assert said.by != str(os.getpid())
    [server] = collector.spans()
    assert client.context is not None
    assert server.parent_span_id.hex() == f"{client.context.span_id:016x}"
    assert (server.trace_id.hex(), server.kind) == (TRACE, Span.SPAN_KIND_SERVER)
