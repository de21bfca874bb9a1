"""What the kernel says of a process: its CPU, its memory, what it wrote. Source: proc(5)."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second, the unit in which CPU is counted."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """CPU seconds of all threads (user and system), resident bytes now, bytes written to storage."""

    cpu: float
    resident: int
    written: int

    def since(self, earlier: "Usage") -> "Usage":
        """What was used in between; resident bytes are those of now."""
        return Usage(self.cpu - earlier.cpu, self.resident, self.written - earlier.written)


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did; None when there is none. Pids come again."""
    try:
        return int(_fields(pid)[19])
    except OSError:
        return None


def usage(pid: int) -> Usage:
    """What a process has used so far; raises OSError when there is none, or it is somebody else's."""
    fields = _fields(pid)
    user, system, resident = int(fields[11]), int(fields[12]), int(fields[21])
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return Usage((user + system) / TICKS, resident * PAGE, int(counts["write_bytes"]))


def _fields(pid: int) -> list[str]:
    """Those behind the command's name, which may hold spaces and parentheses itself: the first is the state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
