"""Pieces of a document."""

from collections.abc import Sequence

from makegood.bench.results import Machine

FUNCTIONS = {
    "orders.Open": "open",
    "stock.Deduct": "deduct",
    "coupons.Use": "use",
    "accounts.Deduct": "balance",
    "orders.Settle": "settle",
}
"""The functions on an order's way, and their short names."""


def where(machine: Machine, at: str, seconds: float) -> str:
    """The sentence above the tables."""
    return (
        f"{at}, {machine.processors} processors ({machine.model}), Python {machine.python}; "
        f"the machine's load was {machine.load:.2f} when it began, and it took {seconds:.0f} s.\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column to the left, the others to the right."""
    marks = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, marks, *rows]) + "\n"
