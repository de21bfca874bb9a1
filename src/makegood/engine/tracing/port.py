"""What records spans, as the engine sees it. `makegood.observe` has the one that speaks OpenTelemetry."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

Kind = Literal["internal", "server", "client", "producer", "consumer"]
"""On which side of a call or message a span stands, in OpenTelemetry's words."""
Value = str | int | float | bool
Link = str
"""The traceparent of a span that is no ancestor and yet has to do with this one."""
NOTHING: Mapping[str, Value] = {}


class Span(Protocol):
    """Something that takes time; it is recorded when it ends."""

    @property
    def context(self) -> str:
        """Its traceparent, for its children."""
        ...

    def note(self, name: str, value: Value) -> None:
        """Adds an attribute."""
        ...

    def rename(self, name: str) -> None:
        """Gives it the name that became known only now."""
        ...

    def fail(self, why: str) -> None:
        """It did not do what it was to do."""
        ...

    def end(self) -> None:
        """It is over; nothing else may be said of it."""
        ...


class Tracer(Protocol):
    """Begins spans."""

    def samples(self) -> bool:
        """Whether a new trace that begins now is recorded."""
        ...

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str,
        *,
        links: Sequence[Link] = (),
        attributes: Mapping[str, Value] = NOTHING,
    ) -> Span:
        """A span that begins now; without a parent (empty) it begins a trace."""
        ...


class Passing:
    """A span that nobody records: its children are those of its parent."""

    __slots__ = ("context",)

    def __init__(self, parent: str) -> None:
        self.context = parent

    def note(self, name: str, value: Value) -> None:
        """Forgets it."""

    def rename(self, name: str) -> None:
        """Forgets it."""

    def fail(self, why: str) -> None:
        """Forgets it."""

    def end(self) -> None:
        """Nothing is recorded."""


class PassingTracer:
    """Records nothing, begins no trace, and passes on those that began elsewhere."""

    def samples(self) -> bool:
        """Never."""
        return False

    def begin(
        self,
        name: str,  # noqa: ARG002 - nobody records it
        kind: Kind,  # noqa: ARG002
        parent: str,
        *,
        links: Sequence[Link] = (),  # noqa: ARG002
        attributes: Mapping[str, Value] = NOTHING,  # noqa: ARG002
    ) -> Span:
        """Stands for its parent."""
        return Passing(parent)
