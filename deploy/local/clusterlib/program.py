"""What a process of the cluster needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


def _nothing() -> None:
    """Nothing has to be prepared."""


@dataclass(frozen=True)
class Program:
    """How to run something, and how to know that it runs."""

    name: str
    stage: int
    """What is in a lower stage is ready before this starts."""
    command: Callable[[], Sequence[str]]
    """What to run, by its path; what is missing is installed then. Raises ClusterError."""
    ports: Sequence[int]
    """All that it listens on; the first is the one that others use."""
    missing: Callable[[], str | None]
    """What it still lacks to be ready, in words; None when it is ready. Answers within a few seconds."""
    prepare: Callable[[], None] = _nothing
    """Makes its folders and writes its settings, before each start; its data stay. Raises ClusterError."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    stop_seconds: float = 30.0
    """So long it may take to stop by itself, before it is killed."""
