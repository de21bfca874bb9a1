"""The Chromium that the tests drive."""

import contextlib
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

FINDER = Path(__file__).parents[2] / "tools/chromium"
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(Exception):
    """There is no Chromium: run tools/chromium. The message is what that said."""


def chromium_path() -> str:
    """Where it is. Raises NoChromium."""
    found = subprocess.run([str(FINDER), "--check"], capture_output=True, text=True, timeout=30.0, check=False)
    if found.returncode != 0:
        raise NoChromium(found.stderr.strip())
    return found.stdout.strip()


@contextlib.asynccontextmanager
async def running_chromium() -> AsyncGenerator[Browser]:
    """A Chromium without a window, until the block ends. Raises NoChromium."""
    path = chromium_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()
