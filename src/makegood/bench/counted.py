"""`makegood`, with its commits counted, and if wanted its rows: python -m makegood.bench.counted FILE [--rows] run …

Each line on standard input has the counts so far written to FILE, as MessagePack; its end ends the process, so that
nothing outlives the bench. A commit costs one short Python call more. Rows are counted in a run of its own, which is
never timed.
"""

import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import apsw
import msgspec

STDIN = 0
MAX_KEYS = 20_000
"""Most different keys that are remembered of a table's updated rows."""
WRITES = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}


class Counts(msgspec.Struct):
    """Since the start: commits by file; rows by file, table and what was done; the newest row of each.

    `keys` counts the different rows that were updated, by file and table (told apart by their first column).
    """

    commits: dict[str, int]
    rows: dict[str, dict[str, dict[str, int]]]
    samples: dict[str, dict[str, tuple[Any, ...]]]
    keys: dict[str, dict[str, int]]


class _File:
    """What one connection did; only its own thread writes here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.commits = 0
        self.rows: Counter[tuple[str, str]] = Counter()
        self.samples: dict[str, tuple[Any, ...]] = {}
        self.keys: dict[str, set[Any]] = {}

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
        if did == "update" and row.old is not None:
            self.samples.setdefault(table, row.old)
            keys = self.keys.setdefault(table, set())
            if len(keys) < MAX_KEYS:
                keys.add(row.old[0])


class _Counter:
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
        total = Counts({}, {}, {}, {})
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
        return total

    def answer(self, path: Path) -> None:
        """Writes the counts whenever a line comes, until there is no more."""
        while os.read(STDIN, 1):  # not sys.stdin, whose lock a thread that waits would hold while the process ends
            draft = path.with_suffix(".new")
            draft.write_bytes(msgspec.msgpack.encode(self.counts()))
            draft.rename(path)
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Runs the rest of the command line as `makegood` would."""
    file, *arguments = sys.argv[1:]
    rows = arguments[0] == "--rows"
    counter = _Counter(rows=rows)
    apsw.connection_hooks.append(counter.hook)
    threading.Thread(target=counter.answer, args=(Path(file),), daemon=True).start()
    sys.argv = ["makegood", *arguments[rows:]]
    from makegood.cli import main as makegood  # noqa: PLC0415 - behind the hooks, so that no connection is missed

    makegood()


if __name__ == "__main__":
    main()
