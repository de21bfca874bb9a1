"""The database as the engine sees it: a place where functions run in transactions."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from makegood.engine.database.ids import IdSource

T = TypeVar("T")
Work = Callable[[Any], T]
"""A function of a transaction (engine code takes the BaseTransaction, services see Transaction or Reader)."""


class Database(Protocol):
    """One service's tables. Methods raise DatabaseError; after one nothing is known of the commit."""

    ids: IdSource

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a transaction; when this returns its effect is on disk."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot that sees every commit made before."""
        ...

    async def survey(self, work: Work[T]) -> T:
        """As `read`, for what takes long (an audit): nobody's query waits for it."""
        ...

    def close(self) -> None:
        """Waits for what is running and closes the connections."""
        ...
