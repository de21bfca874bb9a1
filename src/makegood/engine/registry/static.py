"""A registry of fixed addresses, as they stand in a configuration."""

from collections.abc import Mapping, Sequence

from makegood.engine.errors import RegistryUnavailable
from makegood.engine.registry.audience import Audience
from makegood.engine.registry.limits import check_interface, check_provider, in_order
from makegood.engine.registry.port import Changed, Provider


class StaticRegistry:
    """Implements `Registry`: knows the given providers, and those which this very process registers.

    Other processes hear nothing: what is registered or withdrawn here counts in this process only. A registered
    provider stands for the given one at its host and port, and takes it along when it is withdrawn.
    """

    def __init__(self, providers: Mapping[str, Sequence[Provider]]) -> None:
        """Raises ValueError for a name or an address that no registry could hold."""
        self._providers: dict[str, dict[tuple[str, int], Provider]] = {}
        for interface, given in providers.items():
            check_interface(interface)
            for provider in given:
                check_provider(provider)
            self._providers[interface] = {(provider.host, provider.port): provider for provider in given}
        self._registered: dict[tuple[str, str, int], Provider] = {}
        self._audiences: dict[str, Audience] = {}
        self._closed = False

    async def register(self, interface: str, provider: Provider) -> None:
        """Counts at once."""
        self._refuse_closed()
        check_interface(interface)
        check_provider(provider)
        known = self._registered.setdefault((interface, provider.host, provider.port), provider)
        if known != provider:
            raise ValueError(f"{provider} is registered with weight {known.weight}: withdraw it first")
        self._providers.setdefault(interface, {})[provider.host, provider.port] = provider
        self._tell(interface)

    async def withdraw(self, interface: str, provider: Provider) -> None:
        """Counts at once."""
        self._refuse_closed()
        if self._registered.pop((interface, provider.host, provider.port), None) is not None:
            del self._providers[interface][provider.host, provider.port]
            self._tell(interface)

    async def watch(self, interface: str, changed: Changed) -> None:
        """Hears of this process's own changes only."""
        self._refuse_closed()
        check_interface(interface)
        self._tell(interface)
        self._audiences.setdefault(interface, self._audience(interface)).join(changed)

    async def close(self) -> None:
        """Nobody hears anything any more."""
        self._closed = True
        self._audiences.clear()

    def _audience(self, interface: str) -> Audience:
        audience = Audience(interface)
        audience.tell(self._known(interface))
        return audience

    def _tell(self, interface: str) -> None:
        if audience := self._audiences.get(interface):
            audience.tell(self._known(interface))

    def _known(self, interface: str) -> tuple[Provider, ...]:
        return in_order(self._providers.get(interface, {}).values())

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RegistryUnavailable("the registry is closed: open another")
