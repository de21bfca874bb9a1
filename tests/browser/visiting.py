"""People who visit the pages: each has a browser context of their own, which is watched."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.support.shop_client import ShopClient, good

TIMEOUT = 15_000
"""Milliseconds for what a page has to do, on a loaded machine."""
SIGNED_IN = """([origin, session]) => {
  if (location.origin !== origin || sessionStorage.getItem("seen")) return;
  sessionStorage.setItem("seen", "yes");
  sessionStorage.setItem("makegood.session", session);
}"""
"""Runs before every page of the context: signs in once, and only at the shop itself."""
expect.set_options(timeout=TIMEOUT)


class Size(NamedTuple):
    """A screen, in CSS pixels."""

    width: int
    height: int


DESKTOP = Size(1280, 900)
PHONE = Size(390, 844)
Scheme = Literal["light", "dark"]


class Visitors:
    """Opens pages, and knows of everything that went wrong in them."""

    def __init__(self, browser: Browser, shop: ShopClient) -> None:
        self._browser = browser
        self._shop = shop
        self._contexts: list[BrowserContext] = []
        self._forgiven: list[str] = []
        self._errors: list[str] = []
        self._requests: list[str] = []

    async def open(
        self, path: str = "/", user: str | None = None, size: Size = DESKTOP, scheme: Scheme = "light"
    ) -> Page:
        """A page of the shop in a fresh context; with `user` somebody is signed in."""
        context = await self._browser.new_context(
            base_url=self._shop.process.url,
            viewport={"width": size.width, "height": size.height},
            color_scheme=scheme,
            reduced_motion="reduce",  # without a graphics card, endless animations cost more than all the rest
            locale="en-GB",
            timezone_id="UTC",
            has_touch=size.width < 600,
        )
        context.set_default_timeout(TIMEOUT)
        self._contexts.append(context)
        context.on("console", self._heard)
        context.on("weberror", lambda error: self._errors.append(str(error.error)))
        context.on("request", self._requested)
        if user is not None:
            await context.add_init_script(f"({SIGNED_IN})({json.dumps(await self._session(user))})")
        page = await context.new_page()
        await page.goto(path)
        return page

    def forgive(self, *words: str) -> None:
        """The browser reports every answer that is no success as an error: these the test has asked for."""
        self._forgiven.extend(words)

    @property
    def errors(self) -> list[str]:
        """What the pages complained of, but for what is forgiven."""
        return [error for error in self._errors if not any(words in error for words in self._forgiven)]

    @property
    def foreign(self) -> list[str]:
        """Requests to other hosts than the shop and its payment platform."""
        own = {urlsplit(url).netloc for url in (self._shop.process.url, self._shop.process.sandbox_url)}
        return [
            url for url in self._requests if urlsplit(url).scheme in ("http", "https", "ws") and _host(url) not in own
        ]

    async def close(self) -> None:
        """Ends all visits."""
        for context in self._contexts:
            await context.close()

    async def _session(self, user: str) -> Sequence[str]:
        session: dict[str, Any] = good(await self._shop.ops("POST", "/api/ops/sessions", json={"user": user}))
        return self._shop.process.url, json.dumps({"user": user, **session})

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _requested(self, request: Request) -> None:
        self._requests.append(request.url)


def _host(url: str) -> str:
    return urlsplit(url).netloc
