"""A whole shop really running in a process of its own: `makegood run`, started, stopped, killed, started again."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import httpx
import msgspec

from makegood.embedded.directory import RunFile

START_SECONDS = 60.0
"""A loaded machine takes long to import everything."""
STOP_SECONDS = 30.0
PORTS = range(20_000, 32_000, 2)
"""Below the ports that the system gives to outgoing connections; a shop's sandbox takes the next one."""
RUN = ("-m", "makegood", "run")
ROOT = Path(__file__).parents[2]
"""Where the tests' own programs are found."""
BYTECODE = Path(tempfile.gettempdir()) / f"makegood-bytecode-{os.getuid()}"
"""Where the processes keep what they compiled: without it each start would compile every library again."""


class ShopEnded(Exception):
    """The process ended though nobody asked it to; the message is its log."""


class ShopProcess:
    """The shop living in a folder; it keeps its port from one start to the next.

    `command` runs it: `makegood run`, or another program with the same options.
    """

    def __init__(
        self,
        data: Path,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = RUN,
    ) -> None:
        self.data = data
        self.port = free_pair()
        self._environment = {**clean_environment(), **(environment or {})}
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._run: RunFile | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """Where its payment sandbox listens."""
        return self._known.sandbox_url

    @property
    def token(self) -> str:
        """The operators' token."""
        return self._known.operators_token

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> float:
        """Starts it, and returns when it is ready: after so many seconds."""
        began = time.monotonic()
        self.launch()
        self._await_ready(began + START_SECONDS)
        return time.monotonic() - began

    def launch(self) -> None:
        """Starts it, and does not wait."""
        assert not self.running, "it runs already"
        (self.data / "run.json").unlink(missing_ok=True)
        command = [sys.executable, *self._command, "--data", str(self.data), "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, cwd=ROOT)

    def stop(self) -> int:
        """Asks it to end, and returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """Ends it without a warning."""
        self._end(signal.SIGKILL)

    def kill9_sandbox(self) -> None:
        """Ends its payment sandbox without a warning, if it runs; the shop starts it again a little later."""
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def children(self) -> list[int]:
        """The ids of the processes it has started."""
        assert self._process is not None
        found = [path.read_text().split() for path in Path(f"/proc/{self._process.pid}/task").glob("*/children")]
        return [int(child) for children in found for child in children]

    def await_death(self, seconds: float) -> int | None:
        """The exit status once it has ended by itself; None when it still runs after so many seconds."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs another command of `makegood` on the same folder, to its end."""
        command = [sys.executable, "-m", "makegood", *arguments, "--data", str(self.data)]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )

    def log(self) -> str:
        """What it printed, over all its starts."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    @property
    def _known(self) -> RunFile:
        assert self._run is not None, "it was never ready"
        return self._run

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None, "it was not started"
        self._process.send_signal(how)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def _await_ready(self, until: float) -> None:
        assert self._process is not None
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise ShopEnded(f"status {self._process.returncode}: {self.log()[-4000:]}")
            if self._is_ready():
                return
            time.sleep(0.02)
        raise TimeoutError(f"the shop did not start: {self.log()[-4000:]}")

    def _is_ready(self) -> bool:
        file = self.data / "run.json"
        if not file.exists():
            return False
        self._run = msgspec.json.decode(file.read_bytes(), type=RunFile)
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5.0, trust_env=False, verify=False).status_code == 200
        return False


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of a shop, and with room for compiled modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKEGOOD_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPYCACHEPREFIX": str(BYTECODE)}


def free_pair() -> int:
    """A port that is free, and whose next one is."""
    for port in random.SystemRandom().sample(PORTS, 200):
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port
    raise OSError("no two free ports in a row: end some of the processes that listen")


@contextlib.contextmanager
def running_shop(
    tmp: Path, environment: Mapping[str, str] | None = None, command: Sequence[str] = RUN
) -> Generator[ShopProcess]:
    """A shop that lives in tmp/shop and runs until the block ends."""
    shop = ShopProcess(tmp / "shop", environment, command)
    shop.start()
    try:
        yield shop
    finally:
        if shop.running:
            assert shop.stop() == 0, shop.log()
