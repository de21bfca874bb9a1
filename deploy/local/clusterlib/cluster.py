"""All processes of a cluster together."""

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

from .errors import ClusterError
from .install import say
from .ports import chosen
from .process import Process
from .services import SERVICES_STAGE, migrate, write_config
from .site import Site, locked, open_site
from .table import expand, programs

READY_SECONDS = 120.0
"""So long each stage may take to be ready: a loaded machine is slow."""
PAUSE = 0.1
"""Seconds between two looks."""


class State(NamedTuple):
    """What became of a process. `missing`: why it does not serve; None when it does."""

    name: str
    pid: int | None
    port: int
    memory: int | None
    missing: str | None


class Cluster:
    """The processes in a folder. `seconds`: how long each stage may take to be ready."""

    def __init__(self, site: Site, seconds: float = READY_SECONDS) -> None:
        self.site = site
        self.processes = {name: Process(one, site.folder) for name, one in programs(site).items()}
        self._seconds = seconds

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        create: bool = True,
        base: int | None = None,
        ports: Mapping[str, int] | None = None,
        flush: str | None = None,
        seconds: float = READY_SECONDS,
    ) -> Self:
        """The cluster of a folder, on other ports when some are given and it does not run. Raises ClusterError.

        `create`: a new one is made; else it is only looked at.
        """
        known = open_site(folder, create=create)
        site = known.moved(chosen(base, ports or {}, known.ports), flush)
        cluster = cls(site, seconds)
        if (known.ports, known.flush) != (site.ports, site.flush):
            if known.ports and (running := [one for one in cluster.processes if cluster.processes[one].pid]):
                raise ClusterError(f"{', '.join(running)} run in {folder} with other settings: `cluster down` first")
            if create:
                site.save()
        return cluster

    def up(self, names: Iterable[str] = ()) -> None:
        """Starts those that do not run, stage by stage, and returns when they are ready. Raises ClusterError.

        Before services start, their databases are migrated.
        """
        for stage, group in self._stages(names):
            with locked(self.site.folder / "lock"):
                write_config(self.site)
                if stage == SERVICES_STAGE:
                    migrate(self.site)
                _launch(group)
            self.await_ready(group)

    def start(self, names: Iterable[str]) -> None:
        """Starts again those that do not run, and returns when they are ready. Raises ClusterError."""
        for _, group in self._stages(names):
            with locked(self.site.folder / "lock"):
                _launch(group)
            self.await_ready(group)

    def await_ready(self, processes: Sequence[Process]) -> None:
        """Returns when all of them are ready. Raises ClusterError, with the end of the log of one that is not."""
        began = time.monotonic()
        waiting = list(processes)
        while waiting:
            waiting = [one for one in waiting if not self._is_ready(one, began)]
            if waiting:
                time.sleep(PAUSE)

    def down(self, names: Iterable[str] = ()) -> None:
        """Stops them, the last started first; those that take too long are killed. Raises ClusterError."""
        if not any(one.pid for one in self.chosen(names)):
            say("nothing runs")
            return
        with locked(self.site.folder / "lock"):
            for _, group in reversed(self._stages(names)):
                for one in [one for one in reversed(group) if one.signal_stop()]:
                    killed = one.await_stop()
                    say(f"{one.program.name}: {'did not stop in time, killed' if killed else 'stopped'}")

    def kill(self, names: Iterable[str]) -> None:
        """kill -9. Raises ClusterError when one does not run."""
        for one in self.chosen(names):
            if not one.kill():
                raise ClusterError(f"{one.program.name} does not run: `cluster status` shows what does")
            say(f"{one.program.name}: killed")

    def kill_all(self) -> None:
        """kill -9 of whatever runs; for data that nobody will need."""
        for one in reversed(self.chosen(())):
            one.kill()

    def status(self, names: Iterable[str] = ()) -> list[State]:
        """How they are."""
        with ThreadPoolExecutor(max_workers=8) as threads:
            return list(threads.map(_state, self.chosen(names)))

    def wipe(self) -> None:
        """Stops everything and deletes the folder with all data. Raises ClusterError."""
        if not (self.site.folder / "secrets.json").exists():
            raise ClusterError(f"there is no cluster in {self.site.folder}: give its --folder")
        self.down()
        shutil.rmtree(self.site.folder)
        say(f"{self.site.folder}: deleted")

    def chosen(self, names: Iterable[str]) -> list[Process]:
        """The processes of these names and groups, in the order in which they start. Raises ClusterError."""
        return [self.processes[name] for name in expand(names, self.processes)]

    def _stages(self, names: Iterable[str]) -> list[tuple[int, list[Process]]]:
        return [(stage, list(group)) for stage, group in groupby(self.chosen(names), key=lambda one: one.program.stage)]

    def _is_ready(self, process: Process, began: float) -> bool:
        name, seconds = process.program.name, time.monotonic() - began
        if process.pid is None:
            raise ClusterError(f"{name} has ended; {process.last_words()}")
        missing = process.program.missing()
        if missing and seconds > self._seconds:
            raise ClusterError(f"{name} is not ready after {seconds:.0f} s: {missing}; {process.last_words()}")
        if missing is None:
            say(f"{name}: ready after {seconds:.1f} s")
        return missing is None


def _launch(processes: Iterable[Process]) -> None:
    for one in processes:
        if one.pid is None:
            one.launch()
            say(f"{one.program.name}: started, pid {one.pid}")


def _state(process: Process) -> State:
    pid, program = process.pid, process.program
    missing = program.missing() if pid else "down"
    return State(program.name, pid, program.ports[0], process.memory(), missing)
