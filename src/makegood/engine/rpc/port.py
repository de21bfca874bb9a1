"""Calls between services, wherever they run."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline

Q = TypeVar("Q")
A = TypeVar("A")

Handler = Callable[[Any, Deadline], Awaitable[Any]]
"""Answers one request of an operation by the deadline, or raises DeadlineExceeded then."""


class Caller(Protocol):
    """Asks services."""

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer. Raises Overloaded, DeadlineExceeded, ServiceUnavailable, OperationFailed, DatabaseError.

        After DeadlineExceeded, ServiceUnavailable and DatabaseError the call may have taken effect.
        """
        ...
