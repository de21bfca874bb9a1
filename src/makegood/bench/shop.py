"""The shop under test: `makegood run` in a process of its own, and what it says of itself."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from makegood.bench.children import child, last_words, wait_for_file
from makegood.bench.counted import Counts
from makegood.bench.errors import BenchError
from makegood.bench.process import Usage, usage
from makegood.embedded.directory import RunFile
from makegood.operators.client import OperatorClient, OperatorError
from makegood.operators.shop import LOOK_EVERY

START = 90.0
"""Seconds that the shop may take to be ready, with a large history and nothing compiled."""
ANSWER = 30.0
"""Seconds for an answer about itself."""
DRAIN = 120.0
"""Seconds within which all messages must have been handled."""
POLL = 0.25
"""Seconds between looks whether they are."""


@dataclass(frozen=True)
class Did:
    """What a function has done since the start."""

    batches: int = 0
    requests: int = 0
    refused: int = 0
    """Requests that failed, were shed, or expired."""


@dataclass(frozen=True)
class Figures:
    """What the shop's /metrics say: by function (`orders.Open`), and messages that wait to be sent or handled."""

    functions: dict[str, Did]
    unsent: int
    unheard: int

    @property
    def backlog(self) -> int:
        """Messages that wait for anything."""
        return self.unsent + self.unheard

    def batch(self, function: str, earlier: "Figures") -> float:
        """The average batch of a function since then; 0 when it ran none."""
        now, then = self.functions.get(function, Did()), earlier.functions.get(function, Did())
        batches = now.batches - then.batches
        return (now.requests - then.requests) / batches if batches else 0.0

    def ran_since(self, earlier: "Figures") -> list[str]:
        """The functions that have run since then."""
        return [name for name in self.functions if self.batch(name, earlier)]


@dataclass(frozen=True)
class Mark:
    """Everything a shop had used at one moment."""

    figures: Figures
    counts: Counts
    used: Usage


class RunningShop:
    """A shop that serves. Every method raises BenchError when it has ended."""

    def __init__(
        self, folder: Path, log: Path, process: Process, run: RunFile, http: httpx.AsyncClient, *, deaf: bool
    ) -> None:
        self.folder = folder
        self._deaf = deaf
        self.url = run.url
        self._run = run
        self._log = log
        self._process = process
        self._http = http

    async def ready(self) -> None:
        """Returns when it takes orders."""
        try:
            async with asyncio.timeout(ANSWER):
                while not (await self._http.get(f"{self.url}/readyz")).is_success:
                    await asyncio.sleep(POLL)
        except (httpx.HTTPError, TimeoutError) as error:
            raise BenchError(f"the shop does not become ready ({error!r}): {last_words(self._log)}") from error

    def usage(self) -> Usage:
        """CPU, memory and bytes written, of the shop without its payment sandbox."""
        try:
            return usage(self._process.pid)
        except OSError as error:
            raise BenchError(f"the shop has ended: {last_words(self._log)}") from error

    async def load(self, document: bytes) -> None:
        """Takes in goods, users and coupons."""
        try:
            async with OperatorClient(self._run) as client:
                await client.load(document)
        except OperatorError as error:
            raise BenchError(str(error)) from error

    async def figures(self) -> Figures:
        """What it has done so far."""
        try:
            answer = await self._http.get(f"{self.url}/metrics")
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise BenchError(f"the shop does not say its figures ({error!r}): {last_words(self._log)}") from error
        return read_figures(answer.text)

    async def counts(self) -> Counts:
        """The commits and rows of all its files so far."""
        path = counts_file(self.folder)
        path.unlink(missing_ok=True)
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await wait_for_file(path, self._process, self._log, ANSWER)
        return msgspec.msgpack.decode(path.read_bytes(), type=Counts)

    async def mark(self) -> Mark:
        """Everything it has used; CPU is read last, so that asking costs the run behind it nothing."""
        figures, counts = await self.figures(), await self.counts()
        return Mark(figures, counts, self.usage())

    async def backlog(self) -> int:
        """How many messages wait to be sent or handled."""
        return (await self.figures()).backlog

    async def drained(self) -> None:
        """Returns when every message has been handled; of a deaf shop, when every message is sent."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAIN
        # The shop counts what waits now and then, so what it says is young only after that time.
        await asyncio.sleep(LOOK_EVERY + POLL)
        while self._left(await self.figures()):
            if loop.time() > end:
                raise BenchError(f"messages are not handled after {DRAIN:.0f} s: measure for fewer --seconds")
            await asyncio.sleep(POLL)

    def _left(self, figures: Figures) -> int:
        return figures.unsent if self._deaf else figures.backlog


def counts_file(folder: Path) -> Path:
    """Where the shop in this folder writes its counts."""
    return folder.with_name(f"{folder.name}.counts")


@asynccontextmanager
async def running_shop(
    folder: Path, *, rows: bool = False, deaf: bool = False, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[RunningShop]:
    """A shop in this folder that serves until the block ends, with `settings` as environment variables.

    `rows`: every row it writes is counted, slowly. `deaf`: its listeners hear nothing, messages wait in the broker.
    """
    log = folder.with_name(f"{folder.name}.log")
    (folder / "run.json").unlink(missing_ok=True)
    counting = [str(counts_file(folder)), *(["--rows"] if rows else []), *(["--deaf"] if deaf else [])]
    arguments = [*counting, "run", "--data", str(folder), "--port", "0"]
    async with (
        child("makegood.bench.counted", arguments, log, settings) as process,
        httpx.AsyncClient(trust_env=False, timeout=ANSWER) as http,
    ):
        await wait_for_file(folder / "run.json", process, log, START)
        run = msgspec.json.decode((folder / "run.json").read_bytes(), type=RunFile)
        shop = RunningShop(folder, log, process, run, http, deaf=deaf)
        await shop.ready()
        yield shop


def read_figures(text: str) -> Figures:
    """What a process's /metrics say."""
    functions: dict[str, dict[str, float]] = {}
    waiting = {"makegood_service_outbox": 0.0, "makegood_service_lag": 0.0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("makegood_function_"):
                name = f"{sample.labels['service']}.{sample.labels['function']}"
                functions.setdefault(name, {})[sample.name] = sample.value
            elif sample.name in waiting:
                waiting[sample.name] += sample.value
    did = {name: _did(values) for name, values in functions.items()}
    return Figures(did, *(int(messages) for messages in waiting.values()))


def _did(values: dict[str, float]) -> Did:
    said = {
        name.removeprefix("makegood_function_").removesuffix("_total"): int(value) for name, value in values.items()
    }
    return Did(said["batches"], said["requests"], said["failed"] + said["shed"] + said["expired"])
