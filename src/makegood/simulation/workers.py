"""Worlds run in processes of their own, one world at a time in each; a process that dies takes only its world along."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, NamedTuple

from makegood.simulation.runs import Options, Ran, run

AHEAD = 64
"""For each worker, how many worlds may be done before one that is still under way."""
START, EACH_ORDER = 60.0, 1.0
"""Seconds that a world may take: to start its process, and for each of its orders."""
POLL = 0.5
"""Seconds between looks at whether a world takes too long."""
END = 5.0
"""Seconds in which an ended process is gone, before it is killed."""


class Job(NamedTuple):
    """A world to run."""

    seed: int
    options: Options


class Lost(NamedTuple):
    """A world that did not come to its end, and why: nothing is known of it."""

    seed: int
    why: str


Work = Callable[[int, Options], Ran]


class _Worker:
    """One process; `number` is of the job that is under way, None when there is none."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(there, work), daemon=True)
        _start(self.process)
        there.close()
        self.number: int | None = None
        self.job: Job | None = None
        self.until = 0.0

    def give(self, number: int, job: Job) -> None:
        """Has it run a world. Raises OSError when the process is dead."""
        self.number, self.job = number, job
        self.until = time.monotonic() + START + EACH_ORDER * job.options.orders
        self.pipe.send(job)

    def take(self) -> Ran | Lost:
        """What came of the world. Raises EOFError or OSError when the process is dead."""
        self.number = None
        return self.pipe.recv()

    def end(self) -> None:
        """Ends the process, at once."""
        self.process.terminate()
        self.process.join(END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(END)
        self.pipe.close()


class Workers:
    """A fixed number of processes that run worlds; `work` is what runs one."""

    def __init__(self, count: int, work: Work = run) -> None:
        self._work = work
        self._workers: list[_Worker] = []
        self._count = count
        self._given = 0

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()

    def map(self, jobs: Iterable[Job]) -> Generator[Ran | Lost]:
        """What came of each world, in the order of the jobs.

        Jobs are taken when there is room. What is under way when the caller closes this is forgotten.
        """
        turn, source, done = self._given, iter(jobs), dict[int, Ran | Lost]()
        while True:
            self._give(source, turn + AHEAD * self._count)
            if turn in done:
                yield done.pop(turn)
                turn += 1
            elif any(worker.number is not None for worker in self._workers):
                self._wait(done)
            else:
                return

    def _give(self, source: Iterator[Job], limit: int) -> None:
        """Gives jobs to those who have none; starts processes as long as there are too few."""
        while self._given < limit:
            worker = next((one for one in self._workers if one.number is None), None)
            if worker is None and len(self._workers) == self._count:
                return
            job = next(source, None)
            if job is None:
                return
            if worker is None:
                worker = _Worker(self._work)
                self._workers.append(worker)
            self._given += 1
            try:
                worker.give(self._given - 1, job)
            except OSError:
                continue  # it is dead, which `_wait` sees and reports

    def _wait(self, done: dict[int, Ran | Lost]) -> None:
        """Waits for what happens next: a world's end, a process's death, or a world that takes too long."""
        busy = [worker for worker in self._workers if worker.number is not None]
        ready = set(connection.wait([one for worker in busy for one in (worker.pipe, worker.process.sentinel)], POLL))
        for worker in busy:
            number, job = worker.number, worker.job
            assert number is not None
            assert job is not None
            if worker.pipe in ready or worker.process.sentinel in ready:
                done[number] = self._take(worker, job)
            elif time.monotonic() > worker.until:
                self._remove(worker)
                done[number] = Lost(job.seed, f"stopped: it took more than {_limit(job):.0f} s")

    def _take(self, worker: _Worker, job: Job) -> Ran | Lost:
        try:
            return worker.take()
        except (EOFError, OSError):
            self._remove(worker)
            return Lost(job.seed, f"its process ended with status {worker.process.exitcode}")

    def _remove(self, worker: _Worker) -> None:
        worker.end()
        self._workers.remove(worker)


def _limit(job: Job) -> float:
    return START + EACH_ORDER * job.options.orders


def _start(process: BaseProcess) -> None:
    """Starts a process that Ctrl-C does not reach: who started it ends it, and has the last word."""
    resource_tracker.ensure_running()  # else it is started now, and lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: "Connection[Any, Any]", work: Work) -> None:
    """Runs world after world, until nobody asks any more."""
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Ran | Lost = work(*job)
        except BaseException as error:
            answer = Lost(job.seed, f"the simulation failed: {error!r}")
        try:
            pipe.send(answer)
        except OSError:
            return  # nobody asks any more
