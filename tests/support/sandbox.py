"""A payment sandbox really running in a process of its own, for tests of any kind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec

START_SECONDS = 30.0
STOP_SECONDS = 15.0


class SandboxProcess:
    """The sandbox living in a folder; it keeps its port from one start to the next."""

    def __init__(self, data: Path, clock_speed: float = 1.0, options: tuple[str, ...] = ()) -> None:
        self.config: dict[str, Any] = {}
        self._data = data
        self._clock_speed = clock_speed
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return self.config["url"]

    @property
    def alipay(self) -> dict[str, str]:
        """What a shop needs to be its Alipay merchant."""
        return self.config["alipay"]

    def start(self) -> None:
        """Starts it and returns when it listens."""
        assert self._process is None, "it runs already"
        (self._data / "sandbox.json").unlink(missing_ok=True)
        port = self.url.rpartition(":")[2] if self.config else "0"
        command = [sys.executable, "-m", "makegood.sandbox", "--data", str(self._data), "--port", port]
        command += ["--clock-speed", str(self._clock_speed), "--parent", str(os.getpid()), *self._options]
        with (self._data.parent / f"{self._data.name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.config = self._await_config(self._process)

    def stop(self) -> int:
        """Asks it to end, and returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """Ends it without a warning."""
        self._end(signal.SIGKILL)

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by this."""
        return self._process is not None

    def log(self) -> str:
        """What it printed, over all its starts."""
        return (self._data.parent / f"{self._data.name}.log").read_text()

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None, "it does not run"
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _await_config(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, f"the sandbox ended: {self.log()}"
            with contextlib.suppress(FileNotFoundError):
                return msgspec.json.decode((self._data / "sandbox.json").read_bytes(), type=dict[str, Any])
            time.sleep(0.02)
        raise TimeoutError(f"the sandbox did not start: {self.log()}")


@contextlib.contextmanager
def running_sandbox(tmp: Path, clock_speed: float = 1.0, options: tuple[str, ...] = ()) -> Generator[SandboxProcess]:
    """A sandbox that lives in tmp/sandbox and runs until the block ends."""
    sandbox = SandboxProcess(tmp / "sandbox", clock_speed, options)
    sandbox.start()
    try:
        yield sandbox
    finally:
        if sandbox.running:
            assert sandbox.stop() == 0, sandbox.log()
