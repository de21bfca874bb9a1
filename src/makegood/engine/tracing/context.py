"""The context of the trace that the running code belongs to: a W3C `traceparent`, or nothing.

https://www.w3.org/TR/trace-context/: version, trace id, parent's span id, flags, in lower-case hex. A trace that is
not recorded is none here, so whatever is not sampled costs nothing further on.
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
LATER_VERSION = re.compile("(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
LENGTH = 55
"""Characters of a traceparent of version 00."""
MAX_LENGTH = 256
"""Most characters of one of a later version that are looked at."""
SAMPLED = 1
"""The flag that says that the trace is recorded."""

_current: ContextVar[str] = ContextVar("trace", default="")


# No function around it: every call of an operation asks.
current: Callable[[], str] = _current.get
"""The traceparent of the span that is under way; empty when this is not traced."""
outgoing = current
"""What a call or message to another process should carry; empty when this is not traced."""


def incoming(traceparent: str) -> str:
    """What a caller sent, as this version writes it; empty when it is broken or its trace is not recorded."""
    if not traceparent or not is_valid(traceparent) or not int(traceparent[53:LENGTH], 16) & SAMPLED:
        return ""
    return f"00-{traceparent[3:52]}-01"


def enter(trace: str) -> None:
    """From now on this task belongs to this trace, or (empty) to none."""
    if trace != _current.get():
        _current.set(trace)


@contextmanager
def using(traceparent: str) -> Generator[None]:
    """What is done inside belongs to this trace, or to none."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def is_valid(traceparent: str) -> bool:
    """Whether it is a traceparent that can be followed."""
    if len(traceparent) == LENGTH and TRACEPARENT.fullmatch(traceparent):
        return True
    return len(traceparent) <= MAX_LENGTH and LATER_VERSION.fullmatch(traceparent) is not None


def trace_id_of(traceparent: str) -> str:
    """The trace's id, 32 hex digits; empty when there is none."""
    return traceparent[3:35]
