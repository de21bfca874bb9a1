"""What services say to each other: operations one can ask for, events one can hear, work that outlives a process.

A contract is a value that both sides import: the service that implements it, and whoever calls or listens.
Payloads are frozen msgspec structs; from them come the JSON of messages and of HTTP, and the OpenAPI.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
E = TypeVar("E")
J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, A]):
    """A request that a service answers; repeating it must be harmless, for a lost answer is asked for again.

    One of which that is not true is not `idempotent`: it is asked once. `route` gives the key by which equal requests
    meet in one process. A `private` one is of the service's own process: no other can ask it.
    """

    service: str
    name: str
    request: type[Q]
    answer: type[A]
    idempotent: bool = True
    route: Callable[[Q], str] | None = None
    private: bool = False

    def __str__(self) -> str:
        return f"{self.service}.{self.name}"


@dataclass(frozen=True, slots=True)
class Event(Generic[E]):
    """Something that happened in a service; `topic` is the publishing service, `tag` names the event."""

    topic: str
    tag: str
    payload: type[E]

    def __str__(self) -> str:
        return f"{self.topic}: {self.tag}"


@dataclass(frozen=True, slots=True)
class Task(Generic[J]):
    """Durable work of one service that calls somebody outside; `payload` is what it needs to know."""

    name: str
    payload: type[J]
