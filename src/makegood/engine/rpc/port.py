"""Calls between services, wherever they run."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline

Q = TypeVar("Q")
A = TypeVar("A")

Handler = Callable[[Any, Deadline], Awaitable[Any]]
"""Answers one request of an operation by the deadline, or raises DeadlineExceeded then."""


class Door(Protocol):
    """By which other processes call the services of this one."""

    async def open(self, offers: Mapping[Operation[Any, Any], Handler]) -> None:
        """Takes calls from now on. Raises OSError when it cannot."""
        ...

    async def close(self) -> None:
        """Takes no more calls; returns when those that were taken are answered, or after a bounded time."""
        ...


class Caller(Protocol):
    """Asks services."""

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer. Raises Overloaded, DeadlineExceeded, ServiceUnavailable, OperationFailed, DatabaseError.

        After DeadlineExceeded, ServiceUnavailable and DatabaseError the call may have taken effect.
        """
        ...
