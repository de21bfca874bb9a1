"""What the processes' /metrics say together."""

from collections.abc import Mapping

Counts = Mapping[tuple[str, ...], float]
"""By name, and labels in the order of their names."""


def counted(before: Counts, after: Counts, name: str) -> dict[tuple[str, ...], float]:
    """How far a counter went in between, by its labels."""
    gone = {key[1:]: value - before.get(key, 0.0) for key, value in after.items() if key[0] == name}
    return {labels: value for labels, value in gone.items() if value > 0}
