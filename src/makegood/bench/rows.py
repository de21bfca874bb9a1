"""The rows that a floor writes: as many as its plan says, like the shop's, and each commit's part of them."""

from hashlib import blake2b
from typing import Any, NamedTuple

from makegood.bench.plan import Writes

SHORT_TEXT = 16
"""Characters from which on a made-up text key is a hash, as far apart from the last as the shop's."""
Row = tuple[Any, ...]


class Shape(NamedTuple):
    """A table: how many columns, the places of its key in the key's order, and the first place of each unique index."""

    width: int
    key: tuple[int, ...]
    unique: tuple[int, ...]


class Part(NamedTuple):
    """What one commit does to a table: new rows, rows as they are after a change, keys of rows that go."""

    new: list[Row]
    changed: list[Row]
    gone: list[Row]


class Kind:
    """Fresh rows of one table, like its sample."""

    def __init__(self, shape: Shape, writes: Writes) -> None:
        self.writes = writes
        self.key = shape.key
        self._fresh = {shape.key[0], *shape.unique}
        rest = [at for at in range(shape.width) if at not in shape.key]
        # An update that changes nothing writes its row all the same: any column does.
        self.changing = [at for at in writes.changed if at in rest] or rest[-1:]

    def row(self, number: int) -> Row:
        """A new row like the sample: what must be unique is."""
        sample = self.writes.sample
        return tuple(_fresh(value, number) if at in self._fresh else value for at, value in enumerate(sample))

    def key_of(self, row: Row) -> Row:
        """What finds the row."""
        return tuple(row[at] for at in self.key)

    def changed(self, row: Row, number: int) -> Row:
        """The row with what the shop changes; numbers differ each time, as nothing is written else."""
        values = list(row)
        for at in self.changing:
            values[at] = self._changed_value(row, at, number)
        return tuple(values)

    def _changed_value(self, row: Row, at: int, number: int) -> Any:
        value = (self.writes.newest or row)[at]
        if at in self._fresh:
            return row[at]
        return _fresh(value, number) if isinstance(value, int) else value


class Rows:
    """The rows of one table through a whole run, in the order in which they come, change and go."""

    def __init__(self, kind: Kind, orders: int) -> None:
        writes = kind.writes
        self._kind = kind
        self._inserted, self._updated, self._deleted = (
            round(orders * each) for each in (writes.inserted, writes.updated, writes.deleted)
        )
        # Rows that go are none of those that change, or a change might come too late to find its row.
        follows = self._inserted >= self._updated / 2 and not self._deleted
        kept = 0 if follows else min(max(1, writes.keys), self._updated)
        there = [kind.row(number) for number in range(kept + max(0, self._deleted - self._inserted))]
        self.there = there
        self._new = [kind.row(len(there) + number) for number in range(self._inserted)]
        self._changing = self._new if follows else there[:kept]
        self._going = there[kept:] + self._new
        self._step = len(self._new) / self._updated if follows and self._updated else 1.0

    def part(self, commit: int, commits: int) -> Part:
        """This commit's part of the whole."""
        kind = self._kind
        return Part(
            [self._new[at] for at in _early_part(self._inserted, commit, commits)],
            [kind.changed(self._row_to_change(at), at) for at in _part(self._updated, commit, commits)],
            [kind.key_of(self._going[at]) for at in _part(self._deleted, commit, commits)],
        )

    def _row_to_change(self, at: int) -> Row:
        return self._changing[int(at * self._step) % len(self._changing)]


def _part(total: int, at: int, count: int) -> range:
    return range(total * at // count, total * (at + 1) // count)


def _early_part(total: int, at: int, count: int) -> range:
    """Ahead of `_part`: a row is there when it is changed."""
    return range(-(-total * at // count), -(-total * (at + 1) // count))


def _fresh(value: Any, number: int) -> Any:
    match value:
        case int():
            return value + 1 + number
        case str() if len(value) >= SHORT_TEXT:
            return blake2b(number.to_bytes(8, "big"), digest_size=64).hexdigest()[: len(value)]
        case str():
            return f"{number:0{len(value)}}"
        case _:
            return value
