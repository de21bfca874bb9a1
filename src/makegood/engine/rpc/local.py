"""Calls within one process."""

from typing import TypeVar

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, ServiceUnavailable
from makegood.engine.rpc.port import Caller, Handler

Q = TypeVar("Q")
A = TypeVar("A")


class LocalCaller:
    """Knows the handlers of the services in this process; for the others it asks `elsewhere`, if that is given."""

    def __init__(self, elsewhere: Caller | None = None) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._elsewhere = elsewhere

    def offer(self, service: str, name: str, handler: Handler) -> None:
        """Answers this operation from now on. Raises ValueError when somebody does already."""
        if (service, name) in self._handlers:
            raise ValueError(f"{service}.{name} is answered already: one operation, one function")
        self._handlers[service, name] = handler

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer of the service in this process, or of one elsewhere, in time."""
        handler = self._handlers.get((operation.service, operation.name))
        if handler is None and self._elsewhere is not None:
            return await self._elsewhere.call(operation, request, deadline)
        if handler is None:
            raise ServiceUnavailable(f"no service in this process answers {operation}")
        if deadline.passed:
            raise DeadlineExceeded(f"the deadline passed before {operation} was asked; not run")
        return await handler(request, deadline)
