"""Programs that run beside a test, in Java and in Python: they print lines, and end with the test."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from deploy.local.clusterlib.site import ROOT

from tests.interop.build import BUILT, classpath

SECONDS = 120.0
"""So long a program may take to be ready on a busy machine."""
STOP = 30.0
"""Seconds in which it must end when it is told to."""
MARK, ANSWER = "> ", "= "
"""How a line begins that is for the test; and, of those, an answer."""
JAVA = (
    "-Xmx160m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Ddubbo.network.interface.ignored=.*",  # or Dubbo gives away the machine's own address for 127.0.0.1
    "-Ddubbo.application.logger=slf4j",
)


class Program:
    """Running when entered; `line` and `ask` fail the test when it does not say anything in time."""

    def __init__(
        self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None, mark: str = MARK
    ) -> None:
        self._command = command
        self._mark = mark
        self._environment = {**os.environ, **(environment or {})}
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._aside: list[str] = []
        self._log: list[str] = []

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, env=self._environment, cwd=ROOT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(STOP)
        self._reader.join(STOP)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def line(self, begins: str = "", seconds: float = SECONDS) -> str:
        """The next line for the test that begins so; those that do not are kept for whoever asks for them."""
        for line in self._aside:
            if line.startswith(begins):
                self._aside.remove(line)
                return line
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"it did not say {begins!r} in {seconds} s but {self._log[-30:]}") from None
            assert line is not None, f"it ended before it said {begins!r}: {self._log[-30:]}"
            if line.startswith(begins):
                return line
            self._aside.append(line)

    def ask(self, line: str) -> str:
        """Writes a line, and returns its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.line(ANSWER).removeprefix(ANSWER)

    def ask_until(self, line: str, begins: str, seconds: float = SECONDS) -> str:
        """Asks the same again until the answer begins so."""
        until = time.monotonic() + seconds
        while not (answer := self.ask(line)).startswith(begins):
            assert time.monotonic() < until, answer
            time.sleep(0.1)
        return answer

    def stop(self) -> int:
        """Ends it gracefully, and returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Until it has ended by itself; its exit status."""
        return self._process.wait(STOP)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(STOP)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line.rstrip("\n"))
            if line.startswith(self._mark):
                self._lines.put(line.removeprefix(self._mark).rstrip("\n"))
        self._lines.put(None)


def java(name: str, *arguments: str) -> Program:
    """One of the programs under `java`."""
    home = BUILT / "home"
    home.mkdir(parents=True, exist_ok=True)
    options = (*JAVA, f"-Duser.home={home}", "-cp", classpath())
    return Program(("java", *options, f"interop.{name}", *arguments))


def python(*command: str | Path, environment: Mapping[str, str] | None = None, mark: str = MARK) -> Program:
    """Python with these arguments; `mark` begins the lines that are for the test."""
    return Program((sys.executable, *command), environment, mark)
