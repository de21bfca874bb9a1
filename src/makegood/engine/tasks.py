"""Durable work that calls outside: leased, done, recorded.

A task is a row written by the transaction that wants it. A worker leases it in one commit, does the work holding
no transaction, and records the outcome in another commit that also deletes or re-schedules the row. A process that
dies in between leaves a lease that runs out: so the work may happen twice, and carries a fixed key outside.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from makegood.engine import messages, tracing
from makegood.engine.backoff import backoff
from makegood.engine.batching import Batcher
from makegood.engine.database.base import Enqueued
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError, OperationFailed, text_of
from makegood.engine.execution import Execution
from makegood.engine.service import Later, TaskResult, TaskSpec
from makegood.engine.tables import EngineTables, TaskRow
from makegood.engine.world import World

LEASE = 60.0
"""Seconds a worker has; its work is given up a little before."""
WORK = 50.0
"""Seconds after which the work is stopped and counts as failed."""
ATTEMPTS = 16
"""Failed attempts after which a task waits for a person."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0
"""Seconds between failed attempts."""
CONCURRENCY = 64
"""Most tasks of a service that run at once in a process."""
STOP = 5.0
"""Seconds that running work has to end when the process stops; then it is stopped, and runs again next time."""
MAX_KIND, MAX_KEY = 64, 128
"""Characters of a task's name and key."""

NEVER_ENDED = "its runs never ended: the process died or hung each time"

log = logging.getLogger(__name__)
Key = tuple[str, str]


class _Ended(NamedTuple):
    """A run that has ended: with an outcome, or with an error."""

    row: TaskRow
    payload: Any
    outcome: Any
    error: str | None


class TaskRunner:
    """The workers of one service in one process. `life` marks this process's leases."""

    def __init__(
        self, service: object, specs: Sequence[TaskSpec[Any, Any, Any]], tables: EngineTables, world: World, life: int
    ) -> None:
        self._service = service
        self._specs = {spec.contract.name: spec for spec in specs}
        self._table = tables.tasks
        self._world = world
        self._life = life
        self._runs = self._failures = 0
        self._wake = asyncio.Event()
        self._wake.set()
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._execution: Execution | None = None
        self._ends: Batcher[_Ended, None] | None = None

    def bind(self, execution: Execution) -> None:
        """Gives the workers the service's transactions."""
        self._execution = execution
        self._ends = Batcher("ends of tasks", lambda ended: execution.run_here(self._record, ended), limit=CONCURRENCY)

    def store(self, tx: Any) -> bool:
        """Writes what the transaction enqueued; says whether there is anything to do soon.

        Raises ValueError for a task that this service has not, or a key that is too long.
        """
        wanted = {(one.task.name, one.key): one for one in tx.outgoing.tasks}
        if not wanted:
            return False
        for kind, key in wanted:
            self._refuse_bad(kind, key)
        known = tx.lock(self._table, wanted)
        for row in known.values():
            if row.leased_by is None:
                row.due_at, row.attempt, row.state = _due(tx, wanted[row.kind, row.task_key]), 0, "WAITING"
            else:
                row.state = "AGAIN"  # the run that is under way may have looked before this commit
        tx.update(self._table, known.values())
        tx.insert(self._table, [_row(tx, key, one) for key, one in wanted.items() if key not in known])
        return True

    def committed(self, stored: bool) -> None:
        """Wakes the workers."""
        if stored:
            self._wake.set()

    def abandoned(self, stored: bool) -> None:
        """Nothing was enqueued."""

    def figures(self) -> dict[str, int]:
        """Runs of tasks that ended since the start, and those of them that failed."""
        return {"task_runs": self._runs, "task_failures": self._failures}

    async def run(self) -> None:
        """Leases and runs what is due, for ever; looks whenever it is woken."""
        while True:
            await self._wake.wait()
            self._wake.clear()  # before looking: what comes meanwhile is looked for again
            leased = await self._lease_some()
            for row in leased:
                key = (row.kind, row.task_key)
                self._running[key] = asyncio.get_running_loop().create_task(self._work(row), name=f"task {key}")
            if leased:
                self._wake.set()

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def stop(self) -> None:
        """Lets running work end, for at most `STOP` seconds; nothing new is to be leased by then."""
        try:
            async with asyncio.timeout(STOP):
                await asyncio.gather(*self._running.values(), return_exceptions=True)
        except TimeoutError:
            log.warning("work was stopped and runs again next time")
        if self._ends is not None:
            await self._ends.idle()

    def revive(self, tx: Any, limits: Sequence[int]) -> list[int]:
        """Frees the leases of this process's earlier lives; only for a process that is alone."""
        freed = 0
        for limit in limits:
            held = tx.due(self._table, "leased_by", self._life - 1, limit)
            rows = list(tx.lock(self._table, [(row.kind, row.task_key) for row in held]).values())
            for row in rows:
                row.leased_by, row.due_at = None, tx.now
            tx.update(self._table, rows)
            freed += len(rows)
        return [freed]

    async def _lease_some(self) -> list[TaskRow]:
        free = CONCURRENCY - len(self._running)
        assert self._execution is not None
        if free <= 0:
            return []
        try:
            found = await self._execution.database.read(lambda reader: self._due_keys(reader, free))
            return await self._execution.run_one(self._lease, found) if found else []
        except EngineError as error:
            log.warning("due tasks could not be leased: %s", error)
            return []

    def _due_keys(self, reader: Any, limit: int) -> list[Key]:
        return [(row.kind, row.task_key) for row in reader.due(self._table, "due_at", reader.now, limit)]

    def _lease(self, tx: Any, batches: Sequence[list[Key]]) -> list[list[TaskRow]]:
        return [self._lease_batch(tx, [key for key in keys if key not in self._running]) for keys in batches]

    def _lease_batch(self, tx: Any, keys: list[Key]) -> list[TaskRow]:
        leased: list[TaskRow] = []
        given_up: list[TaskRow] = []
        for row in tx.lock(self._table, keys).values():
            if row.due_at is None:
                continue
            if row.due_at > tx.now:
                if row.leased_by == self._life:  # by this very call, whose commit was not answered
                    leased.append(row)
            elif row.attempt < ATTEMPTS:
                row.attempt += 1
                leased.append(row)
            else:
                given_up.append(row)
        for row in leased:
            row.leased_by, row.due_at, row.state = self._life, tx.now + int(LEASE * 1000), "WAITING"
        for row in given_up:
            row.leased_by, row.due_at, row.state, row.error = None, None, "GIVEN_UP", NEVER_ENDED
        tx.update(self._table, [*leased, *given_up])
        return leased

    async def _work(self, row: TaskRow) -> None:
        key = (row.kind, row.task_key)
        tracing.enter(messages.kept(row.payload)[0])
        try:
            await self._end(await self._outcome(row))
        except EngineError as error:
            log.warning("the end of task %s was not recorded, it will run again: %s", key, error)
        except Exception:
            log.exception("the end of task %s was not recorded, as by a bug; it will run again", key)
        finally:
            self._running.pop(key, None)
            self._wake.set()

    async def _end(self, ended: _Ended) -> None:
        assert self._ends is not None
        try:
            await self._ends.submit(ended, Deadline.after(LEASE))
        except OperationFailed as bug:
            failed = ended._replace(outcome=None, error=f"its outcome cannot be recorded: {text_of(bug)}")
            await self._ends.submit(failed, Deadline.after(LEASE))

    async def _outcome(self, row: TaskRow) -> _Ended:
        payload: Any = None
        self._runs += 1
        try:
            spec = self._specs[row.kind]
            payload = msgspec.json.decode(messages.kept(row.payload)[1], type=spec.contract.payload)
            return _Ended(row, payload, await self._run(spec, row, payload), None)
        except Exception as error:
            self._failures += 1
            marks = tracing.marks(payload)
            log.warning("task %s %s failed (attempt %d): %r", row.kind, row.task_key, row.attempt, error, extra=marks)
            return _Ended(row, None, None, f"{type(error).__name__}: {text_of(error)}")

    async def _run(self, spec: TaskSpec[Any, Any, Any], row: TaskRow, payload: Any) -> Any:
        attributes = {"task.key": row.task_key, "task.attempt": row.attempt, **tracing.names_of(payload)}
        with tracing.span(f"task {row.kind}", "internal", attributes), tracing.about(payload):
            async with asyncio.timeout(WORK):
                return await spec.work(self._service, payload)

    def _record(self, tx: Any, ended: Sequence[_Ended]) -> list[None]:
        held = tx.lock(self._table, [(one.row.kind, one.row.task_key) for one in ended])
        ours = [one for one in ended if _leased(held.get((one.row.kind, one.row.task_key)), one.row)]
        for kind in dict.fromkeys(one.row.kind for one in ours):
            self._record_kind(tx, held, [one for one in ours if one.row.kind == kind])
        return [None for _ in ended]

    def _record_kind(self, tx: Any, held: dict[Key, TaskRow], ended: list[_Ended]) -> None:
        done = [one for one in ended if one.error is None]
        gone: list[Key] = []
        kept: list[TaskRow] = []
        for one, verdict in zip(done, self._verdicts(tx, done), strict=True):
            row = held[one.row.kind, one.row.task_key]
            if row.state == "AGAIN":
                kept.append(_again(tx, row, Later(0.0)))
            elif verdict is not None:
                kept.append(_again(tx, row, verdict))
            else:
                gone.append((row.kind, row.task_key))
        for one in ended:
            if one.error is not None:
                kept.append(self._failed(tx, held[one.row.kind, one.row.task_key], one.error))
        tx.delete(self._table, gone)
        tx.update(self._table, kept)

    def _verdicts(self, tx: Any, done: list[_Ended]) -> list[Later | None]:
        record = self._specs[done[0].row.kind].record if done else None
        if record is None:
            return [None for _ in done]
        results = [TaskResult(one.row.task_key, one.payload, one.outcome, one.row.attempt) for one in done]
        return record(self._service, tx, results)

    def _refuse_bad(self, kind: str, key: str) -> None:
        if kind not in self._specs:
            raise ValueError(f"{type(self._service).__name__} has no @task {kind!r}: enqueue one of its own")
        if len(kind) > MAX_KIND or len(key) > MAX_KEY:
            raise ValueError(f"task {kind!r}, key {key!r}: use at most {MAX_KIND} and {MAX_KEY} characters")

    def _failed(self, tx: Any, row: TaskRow, error: str) -> TaskRow:
        row.leased_by, row.error = None, error
        if row.state == "AGAIN":
            row.state, row.attempt = "WAITING", 0
        pause = backoff(self._world, max(1, row.attempt), first=FIRST_PAUSE, most=LONGEST_PAUSE)
        row.due_at = tx.now + int(pause * 1000)
        if row.attempt >= ATTEMPTS:
            row.due_at, row.state = None, "GIVEN_UP"
        return row


def revive_given_up(tables: EngineTables, tx: Any, keys: Sequence[Key]) -> list[bool]:
    """Lets tasks that were given up run again at once, from the first attempt; says which were."""
    held = tx.lock(tables.tasks, keys)
    rows = {key: row for key, row in held.items() if row.state == "GIVEN_UP"}
    for row in rows.values():
        row.state, row.attempt, row.due_at = "WAITING", 0, tx.now
    tx.update(tables.tasks, rows.values())
    return [key in rows for key in keys]


def _again(tx: Any, row: TaskRow, later: Later) -> TaskRow:
    row.leased_by, row.error, row.state = None, "", "WAITING"
    row.attempt -= 1
    row.due_at = tx.now + int(later.seconds * 1000)
    return row


def _leased(held: TaskRow | None, row: TaskRow) -> bool:
    return held is not None and held.leased_by == row.leased_by and held.attempt == row.attempt


def _due(tx: Any, enqueued: Enqueued) -> int:
    return tx.now + int(enqueued.delay * 1000)


def _row(tx: Any, key: Key, enqueued: Enqueued) -> TaskRow:
    payload = messages.kept_with(enqueued.trace, msgspec.json.encode(enqueued.payload))
    return TaskRow(*key, "WAITING", payload, 0, tx.now, _due(tx, enqueued), None, "")
