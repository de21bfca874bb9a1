"""A service as operators see it: one that runs in this process, or one whose tables can be reached."""

from collections.abc import Collection
from typing import Any, Protocol

from makegood.engine.batching import Batcher
from makegood.engine.database.port import Database
from makegood.engine.execution import Execution
from makegood.engine.inbox import groups_of
from makegood.engine.service import Service
from makegood.engine.world import World


class Part(Protocol):
    """What one must know to look at a service's rows, and to have those tried again that failed."""

    @property
    def service(self) -> Service | type[Service]:
        """What it declares."""
        ...

    @property
    def database(self) -> Database:
        """Its tables."""
        ...

    @property
    def execution(self) -> Execution:
        """Its transactions."""
        ...

    @property
    def groups(self) -> Collection[str]:
        """Its consumer groups."""
        ...

    @property
    def unsent(self) -> int:
        """Messages not known to be published, as far as this process knows."""
        ...

    def queues(self) -> list[Batcher[Any, Any]]:
        """The queue in front of each function that runs in this process."""
        ...


class DistantPart:
    """A service that other processes run, over its database."""

    def __init__(self, service: type[Service], database: Database, world: World) -> None:
        self.service = service
        self.database = database
        self.execution = Execution(database, world, [])
        self.groups = groups_of(service)
        self.unsent = 0

    def queues(self) -> list[Batcher[Any, Any]]:
        """None here."""
        return []
