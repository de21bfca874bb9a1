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


def usage(pid: int) -> Usage:
    """What a process has used so far; raises OSError when there is none, or it is somebody else's."""
    folder = Path("/proc") / str(pid)
    # Fields are counted behind the command's name, which may hold spaces and parentheses itself.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    user, system, resident = int(fields[11]), int(fields[12]), int(fields[21])
    counts = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
    return Usage((user + system) / TICKS, resident * PAGE, int(counts["write_bytes"]))
