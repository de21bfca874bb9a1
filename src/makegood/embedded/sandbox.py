"""The payment sandbox as the embedded shop's child process: started, watched, started again, stopped."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path

import msgspec

from makegood.embedded.directory import is_locked
from makegood.embedded.ending import end
from makegood.engine.backoff import backoff
from makegood.engine.world import World
from makegood.shop.payments.gateways.alipay import AlipaySettings
from makegood.shop.payments.gateways.configured import Merchants
from makegood.shop.payments.gateways.stripe import StripeSettings
from makegood.shop.payments.gateways.wechatpay import WechatPaySettings

START = 20.0
"""Seconds that the sandbox may take to answer."""
STOP = 10.0
"""Seconds it may take to stop before it is killed."""

log = logging.getLogger(__name__)


class SandboxFailed(Exception):
    """The sandbox did not start; the message says why."""


class SandboxFile(msgspec.Struct, frozen=True):
    """What the sandbox says about itself, and what its demo merchants agreed with it."""

    url: str
    alipay: AlipaySettings
    wechatpay: WechatPaySettings | None = None
    stripe: StripeSettings | None = None

    def merchants(self) -> Merchants:
        """One of each platform that the sandbox speaks as."""
        return Merchants(self.alipay, self.wechatpay, self.stripe)


async def predecessor_ended(folder: Path) -> None:
    """Waits for the sandbox that a killed shop left behind: it ends by itself soon, and frees folder and port.

    Raises SandboxFailed when it does not.
    """
    try:
        async with asyncio.timeout(START):
            while is_locked(folder / "sandbox.lock"):
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise SandboxFailed(f"another sandbox runs in {folder}: stop it, or give another --data") from error


class SandboxChild:
    """The sandbox on `port`, with its own folder."""

    def __init__(self, folder: Path, port: int, world: World) -> None:
        self._folder = folder
        self._port = port
        self._world = world
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> SandboxFile:
        """Starts it and waits until it answers. Raises SandboxFailed."""
        about = await self._launch()
        self._watch = asyncio.get_running_loop().create_task(self._keep_running(), name="sandbox")
        return about

    async def stop(self) -> None:
        """Ends it."""
        if self._watch is not None:
            self._watch.cancel()
        if self._process is not None:
            await end(self._process, STOP)

    async def _launch(self) -> SandboxFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        about = self._folder / "sandbox.json"
        about.unlink(missing_ok=True)
        arguments = ["-m", "makegood.sandbox", "--data", str(self._folder), "--port", str(self._port)]
        arguments += ["--parent", str(os.getpid())]
        with (self._folder / "sandbox.log").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            async with asyncio.timeout(START):
                return await self._answering(about)
        except TimeoutError as error:
            raise SandboxFailed(f"the sandbox did not answer within {START:.0f} s: {self._last_words()}") from error

    async def _answering(self, about: Path) -> SandboxFile:
        assert self._process is not None
        while not about.exists():
            if self._process.returncode is not None:
                raise SandboxFailed(f"the sandbox did not start: {self._last_words()}")
            await asyncio.sleep(0.05)
        return msgspec.json.decode(about.read_bytes(), type=SandboxFile)

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            assert self._process is not None
            status = await self._process.wait()
            failures += 1
            log.warning("the sandbox ended with status %s; starting it again", status)
            await asyncio.sleep(backoff(self._world, failures, first=0.5, most=30.0))
            try:
                await self._launch()
            except SandboxFailed as error:
                log.error("%s", error)

    def _last_words(self) -> str:
        lines = (self._folder / "sandbox.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
