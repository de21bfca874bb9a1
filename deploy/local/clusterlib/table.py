"""All programs of a cluster."""

from collections.abc import Iterable, Mapping

from .errors import ClusterError
from .mariadb import mariadb
from .program import Program
from .rocketmq import broker, name_server
from .services import GATEWAYS, SERVICES, sandbox, service
from .site import Site
from .zookeeper import NUMBERS, zookeeper

ZOOKEEPERS = tuple(f"zookeeper-{number}" for number in NUMBERS)
ROCKETMQ = ("name-server", "broker")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "servers": ("mariadb", *ZOOKEEPERS, *ROCKETMQ),
    "zookeeper": ZOOKEEPERS,
    "rocketmq": ROCKETMQ,
    "services": (*SERVICES, *GATEWAYS),
}


def programs(site: Site) -> dict[str, Program]:
    """Each by its name, in the order in which they start."""
    servers = [mariadb(site), *(zookeeper(site, number) for number in NUMBERS), name_server(site), broker(site)]
    shop = [sandbox(site), *(service(site, name) for name in (*SERVICES, *GATEWAYS))]
    return {one.name: one for one in servers + shop}


def expand(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """The programs that these names and groups stand for, in the order of `known`; all if there is no name.

    Raises ClusterError.
    """
    everything = list(known)
    wanted: set[str] = set()
    for name in names:
        if name not in GROUPS and name not in everything:
            raise ClusterError(f"there is no {name!r}; there are {', '.join((*GROUPS, *everything))}")
        wanted.update(GROUPS.get(name, (name,)))
    return [name for name in everything if not wanted or name in wanted]
