"""Runs a batch function in a transaction, with what leaves by its commit; finds the one request that breaks it.

A database error is never the fault of a request: the whole batch runs again, a bounded number of times. Any other
exception is a bug that some request met, and so is a key that is still duplicate after all those runs: the
transaction is rolled back and the batch halved, until only that request is left, and only it fails.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from makegood.engine import tracing
from makegood.engine.backoff import backoff
from makegood.engine.database.base import BaseTransaction
from makegood.engine.database.port import Database
from makegood.engine.errors import DatabaseError, DatabaseUnavailable, DuplicateKey, OperationFailed
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")
BatchWork = Callable[[Any, Sequence[Q]], list[A]]
Attempt = Callable[[BatchWork[Q, A], Sequence[Q]], Awaitable[list[A]]]

RERUNS = 6
"""How often a batch is run before its database error becomes the callers' answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between runs."""

log = logging.getLogger(__name__)


class Departure(Protocol):
    """Something that leaves with a commit: messages, tasks."""

    def store(self, tx: Any) -> Any:
        """Writes what the transaction said into its own tables; runs inside the transaction."""
        ...

    def committed(self, stored: Any) -> None:
        """The transaction with what `store` returned is on disk; runs on the event loop."""
        ...

    def abandoned(self, stored: Any) -> None:
        """The transaction with what `store` returned did not commit, or nobody knows."""
        ...


@runtime_checkable
class Reporting(Protocol):
    """A departure that can say how much has left; tasks and the outbox do."""

    def figures(self) -> Mapping[str, int]:
        """Counts since the start, and ages in ms, by name."""
        ...


@dataclass
class Counts:
    """What has happened around a service's transactions since the start.

    `reruns` of batches after a database error, `database_errors` of all kinds; `messages_received` by its groups,
    `events_heard` in them, and of those `events_failed`: a listener raised, or nobody could decode them.
    """

    reruns: int = 0
    database_errors: int = 0
    messages_received: int = 0
    events_heard: int = 0
    events_failed: int = 0


class Execution:
    """The transactions of one service in one process.

    One that `run` has begun ends, even if its caller is cancelled; those of `run_here` are their caller's to wait for.
    """

    def __init__(self, database: Database, world: World, departures: Sequence[Departure]) -> None:
        self.database = database
        self.commits = 0
        self.counts = Counts()
        self._world = world
        self._departures = departures
        self._under_way: dict[asyncio.Task[Any], None] = {}

    async def run(self, function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A | Exception]:
        """An answer or an OperationFailed for each request. Raises DatabaseError when the database stays away."""
        return await self._find_bugs(self._transact, function, requests)

    async def run_here(self, function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A | Exception]:
        """As `run`, in the caller's own task, which nobody may cancel: it saves a task for each transaction."""
        return await self._find_bugs(self._commit, function, requests)

    async def run_one(self, function: BatchWork[Q, A], request: Q) -> A:
        """The answer to a single request; raises OperationFailed or DatabaseError."""
        [answer] = await self.run(function, [request])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A | Exception]:
        """As `run`, on a snapshot."""
        return await self._find_bugs(self._look, function, requests)

    def figures(self) -> dict[str, int]:
        """What has happened in this service, what has left, and how long it waits (ms), by name."""
        found = asdict(self.counts)
        for departure in self._departures:
            if isinstance(departure, Reporting):
                found |= departure.figures()
        return found

    async def idle(self) -> None:
        """Returns when no transaction is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _find_bugs(
        self, attempt: Attempt[Q, A], function: BatchWork[Q, A], requests: Sequence[Q]
    ) -> list[A | Exception]:
        try:
            return list(await self._rerun(attempt, function, requests))
        except Exception as bug:
            if isinstance(bug, DatabaseError) and not isinstance(bug, DuplicateKey):
                raise
            if len(requests) <= 1:
                return [_failed(function, request, bug) for request in requests]
        middle = len(requests) // 2
        first = await self._find_bugs(attempt, function, requests[:middle])
        return first + await self._find_bugs(attempt, function, requests[middle:])

    async def _rerun(self, attempt: Attempt[Q, A], function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A]:
        errors: list[DatabaseError] = []
        while True:
            try:
                return await attempt(function, requests)
            except DatabaseError as error:
                errors.append(error)
                self.counts.database_errors += 1
            if len(errors) == RERUNS:
                raise _given_up(errors, requests)
            self.counts.reruns += 1
            if not isinstance(errors[-1], DuplicateKey):  # somebody else's row is looked at at once
                log.warning("a batch of %d runs again: %s", len(requests), errors[-1])
                await asyncio.sleep(backoff(self._world, len(errors), first=FIRST_PAUSE, most=LONGEST_PAUSE))

    async def _look(self, function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A]:
        with tracing.batch(requests):
            return await self.database.read(lambda reader: _checked(function, reader, requests))

    async def _transact(self, function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A]:
        # A task of its own: what a commit sends must leave though the caller has gone away.
        transaction = asyncio.get_running_loop().create_task(self._commit(function, requests))
        self._under_way[transaction] = None
        transaction.add_done_callback(self._under_way.pop)
        return await asyncio.shield(transaction)

    async def _commit(self, function: BatchWork[Q, A], requests: Sequence[Q]) -> list[A]:
        stored: list[Any] = []
        batch = tracing.batch(requests)

        def work(tx: BaseTransaction) -> list[A]:
            answers = _checked(function, tx, requests)
            batch.decided(tx.outgoing, requests, answers)
            for departure in self._departures:
                stored.append(departure.store(tx))
            return answers

        try:
            with batch:
                answers = await self.database.write(work)
        except BaseException:
            for departure, what in zip(self._departures, stored, strict=False):
                departure.abandoned(what)
            raise
        self.commits += 1
        for departure, what in zip(self._departures, stored, strict=True):
            departure.committed(what)
        return answers


def _given_up(errors: Sequence[DatabaseError], requests: Sequence[Any]) -> DatabaseError:
    """The last error; a duplicate key is the fault of a single request only if every run met one."""
    last = errors[-1]
    mixed = not all(isinstance(error, DuplicateKey) for error in errors)
    if isinstance(last, DuplicateKey) and mixed and len(requests) == 1:
        return DatabaseUnavailable(f"{len(errors)} runs failed, the last because another wrote the same: {last}")
    return last


def _checked(function: BatchWork[Q, A], tx: Any, requests: Sequence[Q]) -> list[A]:
    answers = function(tx, requests)
    if len(answers) != len(requests):
        raise AssertionError(f"{function} gave {len(answers)} answers to {len(requests)} requests")
    return answers


def _failed(function: Callable[..., Any], request: object, bug: Exception) -> OperationFailed:
    bare = getattr(function, "func", function)  # of a partial
    name = getattr(bare, "__qualname__", str(bare))
    log.error("%s failed for %.500r", name, request, exc_info=bug, extra=tracing.marks(request))
    failed = OperationFailed(f"{name}: {type(bug).__name__}: {bug}")
    failed.__cause__ = bug
    return failed
