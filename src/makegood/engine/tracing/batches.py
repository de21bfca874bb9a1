"""A batch serves many requests: each traced one has the batch's span in its own trace, linked to the others'.

What the transaction publishes or enqueues belongs to the request that names the same ids as the event or the task; an
answer may name what its request could not know yet. In a batch of one there is no question.
"""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from makegood.engine.database.base import Enqueued, Outgoing, Published, Sent
from makegood.engine.tracing.context import trace_id_of, using
from makegood.engine.tracing.names import names_of
from makegood.engine.tracing.port import Kind, Link, Span, Value
from makegood.engine.tracing.spans import tracer

MOST_LINKS = 16
"""Most other requests of its batch that a span is linked to."""


class Serving(NamedTuple):
    """What runs batches for these traced requests, each with the traceparent of its call or message."""

    name: str
    kind: Kind
    traced: Sequence[tuple[Any, str]]


class _Traced(NamedTuple):
    """A traced request of a batch that is under way, with the batch's span in its trace."""

    request: Any
    span: Span


_serving: ContextVar[Serving | None] = ContextVar("serving", default=None)


@contextmanager
def serve(name: str, kind: Kind, traced: Sequence[tuple[Any, str]]) -> Generator[None]:
    """The transactions run inside are for these requests, and perhaps others that are not traced."""
    token = _serving.set(Serving(name, kind, traced))
    try:
        with using(traced[0][1] if len(traced) == 1 else ""):
            yield
    finally:
        _serving.reset(token)


class Batch:
    """The spans of one transaction while it is entered, in the trace of each request that is traced."""

    def __init__(self, traced: Sequence[_Traced]) -> None:
        self._traced = traced
        self._clock = asyncio.get_running_loop().time
        self._decided: float | None = None

    def __enter__(self) -> None:
        """It begins."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """It is committed, or has failed."""
        for one in self._traced:
            if self._decided is not None:
                one.span.note("commit.seconds", self._clock() - self._decided)
            if error is not None:
                one.span.fail(f"{type(error).__name__}: {error}")
            one.span.end()

    def decided(self, outgoing: Outgoing, requests: Sequence[Any], answers: Sequence[Any]) -> None:
        """The function has ended: says to whose trace all belongs that leaves with the commit. On whatever thread."""
        self._decided = self._clock()
        if not (outgoing.events or outgoing.messages or outgoing.tasks):
            return
        owners = _Owners(self._traced, requests, answers)
        outgoing.events[:] = [one._replace(trace=owners.of_event(one)) for one in outgoing.events]
        outgoing.messages[:] = [one._replace(trace=owners.of_message(one)) for one in outgoing.messages]
        outgoing.tasks[:] = [one._replace(trace=owners.of_task(one)) for one in outgoing.tasks]


class Untraced:
    """A transaction for requests that are not traced."""

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Nothing."""

    def decided(self, outgoing: Outgoing, requests: Sequence[Any], answers: Sequence[Any]) -> None:
        """What leaves belongs to no trace."""


UNTRACED = Untraced()


def batch(requests: Sequence[Any]) -> Batch | Untraced:
    """The spans of a transaction for these requests, to be entered around it."""
    serving = _serving.get()
    if serving is None:
        return UNTRACED
    here = {id(request) for request in requests}
    traced = [(request, parent) for request, parent in serving.traced if id(request) in here]
    if not traced:
        return UNTRACED
    parents = [parent for _, parent in traced]
    return Batch([_begin(serving, request, parent, parents, len(requests)) for request, parent in traced])


def _begin(serving: Serving, request: Any, parent: str, parents: Sequence[Link], size: int) -> _Traced:
    links = [other for other in parents[: MOST_LINKS + 1] if other != parent][:MOST_LINKS]
    attributes: Mapping[str, Value] = {"batch.size": size, "batch.traced": len(parents), **names_of(request)}
    return _Traced(request, tracer().begin(serving.name, serving.kind, parent, links=links, attributes=attributes))


def marks(request: Any) -> dict[str, str]:
    """What a line of the log about this request of a batch should carry: the ids it names, its trace."""
    found = names_of(request)
    serving = _serving.get()
    for other, parent in serving.traced if serving is not None else ():
        if other is request:
            found["trace_id"] = trace_id_of(parent)
    return found


class _Owners:
    """Finds the trace of what leaves with a batch's commit."""

    def __init__(self, traced: Sequence[_Traced], requests: Sequence[Any], answers: Sequence[Any]) -> None:
        self._only = traced[0].span.context if len(requests) == 1 else ""
        spans = {id(one.request): one.span.context for one in traced}
        self._by_name: dict[str, str] = {}
        if not self._only:
            for request, answer in zip(requests, answers, strict=True):
                if context := spans.get(id(request)):
                    for name in (*names_of(request).values(), *names_of(answer).values()):
                        self._by_name.setdefault(name, context)

    def of_event(self, said: Published) -> str:
        """An event's key, then the ids in it."""
        return self._only or self._named(said.key, said.payload)

    def of_message(self, sent: Sent) -> str:
        """A message's key, then the ids in it."""
        return self._only or self._named(sent.key, sent.payload)

    def of_task(self, wanted: Enqueued) -> str:
        """A task's key, then the ids in its payload."""
        return self._only or self._named(wanted.key, wanted.payload)

    def _named(self, key: str, payload: object) -> str:
        for name in (key, *names_of(payload).values()):
            if context := self._by_name.get(name):
                return context
        return ""
