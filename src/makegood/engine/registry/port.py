"""The registry as the engine sees it: providers put themselves in, consumers hear of every change.

A provider is known by its host and port. What a registry tells may be late: a provider may be gone that is still told,
so a caller bears one that does not answer. While the registry itself is away, the last known providers stand.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

DEFAULT_WEIGHT = 100
"""The share of calls of a provider that says nothing, as in Dubbo."""


class Provider(msgspec.Struct, frozen=True):
    """Who answers an interface; its share of the calls is `weight`, 0 or more, where 0 gets none while others can."""

    host: str
    port: int
    weight: int = DEFAULT_WEIGHT


Changed = Callable[[tuple[Provider, ...]], None]
"""Hears every provider of an interface, in the order of host and port, each host and port once."""


class Registry(Protocol):
    """Knows the providers of every interface. All of it is for one event loop."""

    async def register(self, interface: str, provider: Provider) -> None:
        """Offers the interface there, until it is withdrawn or this process dies; a repeat changes nothing.

        It does not fail while the registry is away: it waits a few seconds at most, and the provider is put in when
        the registry comes. Raises ValueError for a name or an address that no registry could hold, or when this host
        and port are registered here already with another weight, and RegistryUnavailable once the registry is closed.
        """
        ...

    async def withdraw(self, interface: str, provider: Provider) -> None:
        """Offers it no longer; consumers hear of that at once. Nothing happens when it was not registered here.

        It does not fail while the registry is away: it waits a few seconds at most; the provider then goes when the
        registry comes, or with this process. Raises RegistryUnavailable once the registry is closed.
        """
        ...

    async def watch(self, interface: str, changed: Changed) -> None:
        """Calls `changed` once before it returns, then on every change, on the event loop and never twice for the same.

        When the registry does not answer within a few seconds, `changed` hears what was known last, which may be
        nothing, and the rest when the registry comes. What `changed` raises is logged, except from its first call.
        Raises ValueError for a name that no registry could hold, RegistryUnavailable once the registry is closed.
        """
        ...

    async def close(self) -> None:
        """Withdraws what is left and tells nobody anything any more; bounded in time, and a repeat does nothing."""
        ...
