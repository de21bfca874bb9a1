"""A watcher that remembers what it was told."""

import asyncio

from makegood.engine.registry.port import Provider, Registry


class Hearing:
    """Hears the providers of one interface."""

    def __init__(self) -> None:
        self.told: list[tuple[Provider, ...]] = []
        self._news = asyncio.Event()

    @classmethod
    async def of(cls, registry: Registry, interface: str) -> "Hearing":
        """Watches from now on."""
        hearing = cls()
        await registry.watch(interface, hearing)
        return hearing

    def __call__(self, providers: tuple[Provider, ...]) -> None:
        """Remembers them."""
        self.told.append(providers)
        self._news.set()

    async def until(self, *providers: Provider, seconds: float = 10.0) -> None:
        """Returns once exactly these were the last told. Raises TimeoutError, saying what was told."""
        try:
            async with asyncio.timeout(seconds):
                while self.told[-1] != providers:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"told {self.told}, and not at last {providers}") from None
