"""Those who watch one interface, and what they heard last."""

import logging

from makegood.engine.registry.port import Changed, Provider

log = logging.getLogger(__name__)


class Audience:
    """Tells every watcher of an interface of each change, and of nothing twice."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self._watchers: list[Changed] = []
        self.told: tuple[Provider, ...] = ()

    def join(self, changed: Changed) -> None:
        """Tells the newcomer what the others heard last; raises what it raises, and then it has not joined."""
        changed(self.told)
        self._watchers.append(changed)

    def tell(self, providers: tuple[Provider, ...]) -> bool:
        """Says whether this was news."""
        if providers == self.told:
            return False
        self.told = providers
        for changed in self._watchers:
            self._call(changed, providers)
        return True

    def _call(self, changed: Changed, providers: tuple[Provider, ...]) -> None:
        try:
            changed(providers)
        except Exception:
            log.exception("who watches the providers of %s failed to take a change, as by a bug", self.interface)
