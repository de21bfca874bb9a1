"""One process, known by its pid file: started, killed, stopped; never another that got the same pid later."""

import contextlib
import json
import os
import select
import signal
from pathlib import Path
from typing import NamedTuple

from .errors import ClusterError
from .ports import is_free
from .program import Program

KILL_SECONDS = 30.0
"""A killed process ends as soon as the kernel gets to it."""
MOST_LOG = 10_000_000
"""Bytes of a log above which the next start begins a new one; one old one is kept."""
TAIL = 30
"""Lines of a log in an error message."""


class Identity(NamedTuple):
    """A process: pids come again, but not with the same start, in clock ticks since the machine's."""

    pid: int
    started: int


class _Stat(NamedTuple):
    state: str
    started: int


class Process:
    """What a program is at run time, in the cluster's folder."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.log = folder / "log" / f"{program.name}.log"
        self._pid_file = folder / "run" / f"{program.name}.pid"

    @property
    def pid(self) -> int | None:
        """Its pid; None when it does not run."""
        identity = self._identity()
        return identity.pid if identity and is_alive(identity) else None

    def launch(self) -> None:
        """Starts it and does not wait until it is ready. Raises ClusterError when a port is taken, for example."""
        for port in self.program.ports:
            if not is_free(port):
                raise ClusterError(
                    f"{self.program.name}: port {port} is taken: end what listens there, or choose other ports with "
                    f"--port-base or --port"
                )
        self.program.prepare()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MOST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._record(self._spawn())

    def kill(self) -> bool:
        """kill -9; returns whether it ran."""
        return self._end(signal.SIGKILL, KILL_SECONDS)

    def signal_stop(self) -> bool:
        """Asks it to stop, and returns at once whether it runs."""
        return self._send(signal.SIGTERM)

    def await_stop(self) -> bool:
        """Waits until it has stopped, and kills it when that takes too long; returns whether it had to be killed."""
        identity = self._identity()
        stopped = identity is None or _await_end(identity, self.program.stop_seconds)
        if not stopped:
            self.kill()
        self._pid_file.unlink(missing_ok=True)
        return not stopped

    def tail(self, lines: int = TAIL) -> str:
        """The end of its log."""
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - lines * 400))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def last_words(self) -> str:
        """The same, for an error message."""
        return f"its log, {self.log}, ends with\n{self.tail()}"

    def memory(self) -> int | None:
        """Its resident memory in MiB; None when it does not run."""
        if (pid := self.pid) is None:
            return None
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE") >> 20
        return None

    def _spawn(self) -> int:
        command = self.program.command()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        environment = {**os.environ, **self.program.environment}
        try:
            # A session of its own: neither Ctrl-C nor the end of the terminal reaches it.
            return os.posix_spawn(command[0], list(command), environment, file_actions=files, setsid=True)
        except OSError as error:
            raise ClusterError(f"{self.program.name}: {command[0]} cannot be run: {error.strerror}") from error

    def _record(self, pid: int) -> None:
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._pid_file.with_suffix(".new")
        draft.write_text(json.dumps({"pid": pid, "started": started_at(pid)}))
        draft.replace(self._pid_file)

    def _identity(self) -> Identity | None:
        try:
            known = json.loads(self._pid_file.read_text())
            return Identity(int(known["pid"]), int(known["started"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ClusterError(
                f"{self._pid_file} cannot be read: see whether the process runs, then delete it"
            ) from error

    def _end(self, number: signal.Signals, seconds: float) -> bool:
        identity = self._identity()
        ran = self._send(number)
        if ran and identity and not _await_end(identity, seconds):
            raise ClusterError(f"{self.program.name} (pid {identity.pid}) did not end within {seconds:.0f} s")
        return ran

    def _send(self, number: signal.Signals) -> bool:
        identity = self._identity()
        if identity is None:
            return False
        try:
            descriptor = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            return False
        try:
            # The descriptor holds on to this process, so that after this look it cannot become another.
            if not is_alive(identity):
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


def started_at(pid: int) -> int:
    """When a process started, in clock ticks since the machine did; it may be dead, but not yet waited for."""
    return _stat(pid).started


def is_alive(identity: Identity) -> bool:
    """Whether exactly this process still runs."""
    try:
        stat = _stat(identity.pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    if stat.started != identity.started:
        return False
    if stat.state == "Z":
        # It may be this process's own child: nobody else would ever take its exit status.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)
    return stat.state not in "ZX"


def _stat(pid: int) -> _Stat:
    fields = Path(f"/proc/{pid}/stat").read_text()
    # The second field is the command in parentheses, and may hold spaces and parentheses itself.
    state, *others = fields.rpartition(")")[2].split()
    return _Stat(state, int(others[18]))


def _await_end(identity: Identity, seconds: float) -> bool:
    """Whether it ended in time, with all of its threads: until then its ports are taken."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        # It may be another process by now: then this one has ended.
        if not _is(identity):
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)  # readable once the last thread has ended
        poll.poll(seconds * 1000)
        return not is_alive(identity)
    finally:
        os.close(descriptor)


def _is(identity: Identity) -> bool:
    """Whether the process with this pid, dead or alive, is that one."""
    try:
        return _stat(identity.pid).started == identity.started
    except (FileNotFoundError, ProcessLookupError):
        return False
