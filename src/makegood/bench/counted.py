"""`makegood`, with its commits counted, and if wanted its rows:

    python -m makegood.bench.counted FILE [--rows] [--deaf] run …

Each line on standard input has the counts so far written to FILE, as MessagePack; its end ends the process, so that
nothing outlives the bench. A commit costs one short Python call more. Rows are counted in a run of its own, which is
never timed. `--deaf`: no listener hears a message; they are published, and wait.
"""

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import apsw
import msgspec

from makegood.engine.consumer import Consumer

STDIN = 0
OPTIONS = ("--rows", "--deaf")
MAX_KEYS = 20_000
"""Most different keys that are remembered of a table's updated rows."""
WRITES = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}


class Counts(msgspec.Struct):
    """Since the start: commits by file; rows by file, table and what was done; the newest row of each.

    `keys` counts the different rows that were updated, by file and table (told apart by their first column);
    `changed`, by file and table, how many updates gave each column (by its place) another value; `updated` holds the
    newest row after an update.
    """

    commits: dict[str, int]
    rows: dict[str, dict[str, dict[str, int]]]
    samples: dict[str, dict[str, tuple[Any, ...]]]
    keys: dict[str, dict[str, int]]
    changed: dict[str, dict[str, dict[int, int]]]
    updated: dict[str, dict[str, tuple[Any, ...]]]


class _File:
    """What one connection did; only its own thread writes here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.commits = 0
        self.rows: Counter[tuple[str, str]] = Counter()
        self.samples: dict[str, tuple[Any, ...]] = {}
        self.keys: dict[str, set[Any]] = {}
        self.changed: Counter[tuple[str, int]] = Counter()
        self.updated: dict[str, tuple[Any, ...]] = {}

    def committed(self) -> bool:
        """Lets the commit happen."""
        self.commits += 1
        return False

    def written(self, row: apsw.PreUpdate) -> None:
        """Takes note of one row."""
        table = row.table_name
        did = WRITES[row.op]
        self.rows[table, did] += 1
        if row.new is not None and did == "insert":
            self.samples[table] = row.new
        if did == "update" and row.old is not None and row.new is not None:
            self._updated(table, row.old, row.new)

    def _updated(self, table: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> None:
        self.samples.setdefault(table, old)
        keys = self.keys.setdefault(table, set())
        if len(keys) < MAX_KEYS:
            keys.add(old[0])
        self.changed.update((table, at) for at, value in enumerate(old) if value != new[at])
        self.updated[table] = new


class WritesCounter:
    """Counts the commits of the connections it hooks, and their rows too if `rows`."""

    def __init__(self, *, rows: bool) -> None:
        self._rows = rows
        self._files: list[_File] = []

    def hook(self, connection: apsw.Connection) -> None:
        """Counts what this new connection does."""
        file = _File(Path(connection.filename).stem)
        self._files.append(file)
        connection.set_commit_hook(file.committed)
        if self._rows:
            connection.preupdate_hook(file.written)

    def counts(self) -> Counts:
        """So far."""
        total = Counts({}, {}, {}, {}, {}, {})
        for file in list(self._files):
            total.commits[file.name] = total.commits.get(file.name, 0) + file.commits
            tables = total.rows.setdefault(file.name, {})
            for (table, did), rows in list(file.rows.items()):
                done = tables.setdefault(table, {})
                done[did] = done.get(did, 0) + rows
            total.samples.setdefault(file.name, {}).update(file.samples)
            keys = total.keys.setdefault(file.name, {})
            for table, seen in list(file.keys.items()):
                keys[table] = keys.get(table, 0) + len(seen)
            changed = total.changed.setdefault(file.name, {})
            for (table, column), updates in list(file.changed.items()):
                columns = changed.setdefault(table, {})
                columns[column] = columns.get(column, 0) + updates
            total.updated.setdefault(file.name, {}).update(file.updated)
        return total

    def answer(self, path: Path) -> None:
        """Writes the counts whenever a line comes, until there is no more."""
        while os.read(STDIN, 1):  # not sys.stdin, whose lock a thread that waits would hold while the process ends
            draft = path.with_suffix(".new")
            draft.write_bytes(msgspec.msgpack.encode(self.counts()))
            draft.rename(path)
        os.kill(os.getpid(), signal.SIGTERM)


async def _hear_nothing(self: Consumer) -> None:
    del self
    await asyncio.Event().wait()


def main() -> None:
    """Runs the rest of the command line as `makegood` would."""
    file, *arguments = sys.argv[1:]
    asked = [argument for argument in arguments if argument in OPTIONS]
    counter = WritesCounter(rows="--rows" in asked)
    apsw.connection_hooks.append(counter.hook)
    threading.Thread(target=counter.answer, args=(Path(file),), daemon=True).start()
    if "--deaf" in asked:
        Consumer.run = _hear_nothing
    sys.argv = ["makegood", *arguments[len(asked) :]]
    from makegood.cli import main as makegood  # noqa: PLC0415 - behind the hooks, so that no connection is missed

    makegood()


if __name__ == "__main__":
    main()
