"""The real servers for tests: shared ones that stay up from test to test, and a test's own that it may kill.

`python -m tests.cluster.servers` takes them all down, also those that a killed test run has left.
"""

import fcntl
import random
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import IO, ClassVar, NamedTuple, Self

from deploy.local.clusterlib.cluster import Cluster
from deploy.local.clusterlib.mariadb import USER
from deploy.local.clusterlib.ports import SPAN, is_free, is_open
from deploy.local.clusterlib.site import ROOT, Site
from deploy.local.clusterlib.zookeeper import NUMBERS, mode

SHARED = ROOT / "build" / "test-cluster"
OWN = ROOT / "build" / "test-cluster-own"
PORTS: Mapping[str, int] = {
    "mariadb": 13306,
    "zookeeper-1": 12181,
    "zookeeper-2": 12182,
    "zookeeper-3": 12183,
    "zookeeper-1-peer": 12881,
    "zookeeper-2-peer": 12882,
    "zookeeper-3-peer": 12883,
    "zookeeper-1-election": 13881,
    "zookeeper-2-election": 13882,
    "zookeeper-3-election": 13883,
    "name-server": 19876,
    "broker": 20911,
    "proxy": 18081,
    "proxy-remoting": 18080,
}
"""Where the shared servers listen."""
OWN_PORTS = range(14_000, 18_000, SPAN)
"""The ports of tests' own servers begin at one of these."""
SECONDS = 600.0
"""So long servers may take to be ready: tests of several workers share the machine with them."""

_FOUND_READY: set[str] = set()


class MariaDb(NamedTuple):
    """Where MariaDB is. The user may create and drop databases whose name begins with `makegood_`."""

    host: str
    port: int
    user: str
    password: str

    def url(self, name: str = "makegood") -> str:
        """As in the setting `database.url`."""
        return f"mysql://{self.user}:{self.password}@{self.host}:{self.port}/{name}"


class RocketMq(NamedTuple):
    """Where RocketMQ is: ip:port of its name server, and of its gRPC proxy."""

    name_server: str
    endpoints: str


def mariadb() -> MariaDb:
    """The shared MariaDB, started if it does not run."""
    return _mariadb(_shared("mariadb"))


def zookeeper() -> list[str]:
    """The shared three ZooKeepers ("ip:port"), started if they do not run."""
    return _shared("zookeeper").zookeepers


def rocketmq() -> RocketMq:
    """The shared name server, broker and proxy, started if they do not run."""
    return _rocketmq(_shared("rocketmq"))


class OwnServers:
    """Servers of a test's own, on free ports and with data of their own: ready when entered, gone when left.

    Every method waits for what it does, and blocks: in a coroutine that has other work meanwhile, use
    `await asyncio.to_thread(own.start, "broker")`. `kill` returns as soon as the process is dead.
    """

    names: ClassVar[tuple[str, ...]]
    """Which programs, or groups of programs."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            base = stack.enter_context(own_ports())
            self._cluster = Cluster.open(OWN / str(base), base=base, seconds=SECONDS)
            stack.callback(_remove, self._cluster)
            self._cluster.up(self.names)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def site(self) -> Site:
        """Its folder and its ports."""
        return self._running.site

    def kill(self, name: str) -> None:
        """kill -9 of this process, or of each of a group."""
        self._running.kill([name])

    def stop(self, name: str) -> None:
        """Stops it gracefully."""
        self._running.down([name])

    def start(self, name: str) -> None:
        """Starts it again, with its data, and returns when it is ready."""
        self._running.start([name])

    def wait_ready(self) -> None:
        """Returns when all of its processes are ready; those that do not run make it fail."""
        self._running.await_ready(self._running.chosen(self.names))

    @property
    def _running(self) -> Cluster:
        assert self._cluster is not None, "enter it first"
        return self._cluster


class OwnMariaDb(OwnServers):
    """A MariaDB; its process is `mariadb`."""

    names = ("mariadb",)

    @property
    def address(self) -> MariaDb:
        """Where it is."""
        return _mariadb(self.site)


class _OwnEnsemble(OwnServers):
    """With three ZooKeepers among them."""

    def leader(self) -> str:
        """Which one leads; waits for an election."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for number in NUMBERS:
                if mode(self.site.ports[f"zookeeper-{number}"]) == "leader":
                    return f"zookeeper-{number}"
            time.sleep(0.05)
        raise TimeoutError("no ZooKeeper leads: do two of them run?")


class OwnZookeeper(_OwnEnsemble):
    """Three ZooKeepers: `zookeeper-1` to `zookeeper-3`."""

    names = ("zookeeper",)

    @property
    def addresses(self) -> list[str]:
        """Where they are, "ip:port" each."""
        return self.site.zookeepers


class OwnRocketmq(OwnServers):
    """A RocketMQ: `name-server`, and `broker` with its proxy in one process."""

    names = ("rocketmq",)

    @property
    def address(self) -> RocketMq:
        """Where it is."""
        return _rocketmq(self.site)


class OwnShop(_OwnEnsemble):
    """The whole shop: all servers, two processes of each service, two gateways, the sandbox."""

    names = ("servers", "sandbox", "services")

    @property
    def gateways(self) -> tuple[str, str]:
        """The URLs of `gateway-1` and `gateway-2`."""
        return f"http://{self.site.address('gateway-1')}", f"http://{self.site.address('gateway-2')}"

    @property
    def sandbox_url(self) -> str:
        """Where the payment platform is."""
        return f"http://{self.site.address('sandbox')}"

    @property
    def token(self) -> str:
        """The operators' token."""
        return self.site.secrets.operators_token


@contextmanager
def own_ports() -> Generator[int]:
    """The first of `SPAN` ports in a row that are free, and that no other test takes meanwhile."""
    OWN.mkdir(parents=True, exist_ok=True)
    for base in random.SystemRandom().sample(OWN_PORTS, len(OWN_PORTS)):
        with (OWN / f"{base}.claim").open("a") as claim:
            if _is_ours(claim) and not (OWN / str(base)).exists() and all(is_free(base + one) for one in range(SPAN)):
                yield base
                return
    raise OSError(f"no {SPAN} free ports in a row from {OWN_PORTS}: run `python -m tests.cluster.servers`")


def take_down() -> None:
    """Stops the shared servers, and whatever own ones a killed test run has left; data of shared ones stay."""
    if (SHARED / "cluster.json").exists():
        Cluster.open(SHARED, create=False).down()
    take_down_left()


def take_down_left() -> None:
    """Ends the own servers that killed test runs have left; those of living ones go on."""
    for folder in sorted(OWN.glob("*/")):
        with (OWN / f"{folder.name}.claim").open("a") as claim:
            if _is_ours(claim):
                _remove(Cluster.open(folder, create=False))


def _shared(names: str) -> Site:
    cluster = Cluster.open(SHARED, ports=PORTS, seconds=SECONDS)
    listening = all(one.pid and is_open(one.program.ports[0]) for one in cluster.chosen([names]))
    # What listens may not be ready yet, when another worker is starting it.
    if not listening or names not in _FOUND_READY:
        cluster.up([names])
        _FOUND_READY.add(names)
    return cluster.site


def _mariadb(site: Site) -> MariaDb:
    return MariaDb("127.0.0.1", site.ports["mariadb"], USER, site.secrets.database_password)


def _rocketmq(site: Site) -> RocketMq:
    return RocketMq(site.address("name-server"), site.address("proxy"))


def _remove(cluster: Cluster) -> None:
    cluster.kill_all()
    shutil.rmtree(cluster.site.folder)


def _is_ours(claim: IO[str]) -> bool:
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    take_down()
