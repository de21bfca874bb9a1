"""The few named values the sandbox remembers: its merchant, its clock, its faults."""

from typing import TypeVar

import msgspec

from .store import Transaction

T = TypeVar("T")


def load(tx: Transaction, name: str, kind: type[T]) -> T | None:
    """The value of that name, if there is one."""
    row = tx.row("SELECT value FROM settings WHERE name = ?", name)
    return msgspec.json.decode(row[0], type=kind) if row else None


def save(tx: Transaction, name: str, value: object) -> None:
    """Remembers the value."""
    tx.rows("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, msgspec.json.encode(value).decode())
