"""One process of a cluster: some of the services, or the gateway to all of them, or both."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

from makegood.audit import audit
from makegood.audit.platform import Trades
from makegood.audit.sandbox import sandbox_ledgers
from makegood.cluster.connections import calls, rocketmq
from makegood.cluster.databases import open_database
from makegood.cluster.settings import DatabaseSettings, GatewaySettings, SandboxSettings
from makegood.config import Config
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.executor import ThreadExecutor
from makegood.engine.host import Host
from makegood.engine.part import DistantPart, Part
from makegood.engine.rpc.figures import RpcFigures
from makegood.engine.rpc.triple import TripleCaller
from makegood.engine.service import Service
from makegood.engine.world import SystemWorld
from makegood.operators.shop import Operations
from makegood.shop.assembly import CLASSES, configured_gateways, services_of
from makegood.shop.payments.gateways.configured import Surroundings
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import Gateway
from makegood.shop.payments.settings import PaymentsSettings
from makegood.web.app import build_app
from makegood.web.monitor import Monitor
from makegood.web.server import Application, free_port, serving
from makegood.web.settings import WebSettings

GATEWAY = "gateway"
"""What serves HTTP to buyers, operators and payment platforms."""
NEEDS = {GATEWAY: ("orders", "stock", "coupons", "accounts", "payments"), "orders": ("stock", "coupons", "accounts")}
"""Without whom a process cannot take orders."""
NAMES = (GATEWAY, *(one.name for one in CLASSES))
"""What a process can serve."""
COMPUTE_THREADS = 2
"""Threads for signing and hashing."""
CONNECTIONS = 64
"""Most connections to the payment platform."""

log = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where a process listens for HTTP: the gateway's API, else only health and figures."""

    host: str
    port: int


class ClusterProcess:
    """Serves `names` as `config` says. `folder` keeps what helps it through an absence of ZooKeeper."""

    def __init__(self, config: Config, names: Sequence[str], address: Address, folder: Path) -> None:
        self.stop = asyncio.Event()
        self._config, self._names, self._address, self._folder = config, names, address, folder
        self._world = SystemWorld()
        self._url = config.section("database", DatabaseSettings).url
        self._gateway = config.section("gateway", GatewaySettings)
        self._payments = config.section("payments", PaymentsSettings, notify_base=self._gateway.url)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """Serves while entered, at the URL it gives; on leaving, what was accepted is finished and all is closed.

        Raises ConfigError, PortBusy, and EngineError when a server that is needed at the start does not answer.
        """
        port = free_port(*self._address)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(platform_client(CONNECTIONS))
            operations, rpc = await stack.enter_async_context(self._services(http))
            application = self._application(operations, rpc)
            await stack.enter_async_context(serving(application, self._address.host, port, self.stop))
            operations.opened = True
            yield f"http://{self._address.host}:{port}"

    @asynccontextmanager
    async def _services(self, http: httpx.AsyncClient) -> AsyncGenerator[tuple[Operations, RpcFigures]]:
        compute = ThreadExecutor("compute", COMPUTE_THREADS)
        services = self._chosen(http, compute)
        known = self._folder / "providers.json"
        async with calls(self._config, self._world, known, serves=bool(services)) as others:
            broker = rocketmq(self._config, self._world)
            host = Host(
                services,
                database=partial(open_database, self._url, self._world),
                broker=broker,
                world=self._world,
                compute=compute,
                alone=False,
                elsewhere=others.caller,
                audience=CLASSES,
                doors=others.doors,
            )
            await host.start()
            try:
                async with self._operations(host, broker, others.caller, http) as operations:
                    yield operations, others.figures
            finally:
                await host.stop()

    @asynccontextmanager
    async def _operations(
        self, host: Host, broker: RocketmqBroker, caller: TripleCaller, http: httpx.AsyncClient
    ) -> AsyncGenerator[Operations]:
        parts = self._parts(host)
        needed = sorted({one for name in self._names for one in NEEDS.get(name, ())} - {*host.runtimes})
        await caller.know(needed)
        databases = {name: part.database for name, part in parts.items()}
        audits = partial(audit, databases, self._payments, self._ledgers(http))
        operations = Operations(host, parts, broker.stats, audits, lambda: _missing(caller.missing(needed)))
        watch = asyncio.get_running_loop().create_task(operations.watch(), name="watch")
        try:
            yield operations
        finally:
            watch.cancel()
            for name in parts.keys() - host.runtimes.keys():
                databases[name].close()

    def _chosen(self, http: httpx.AsyncClient, compute: ThreadExecutor) -> list[Service]:
        gateways: Mapping[str, Gateway] = {}
        if "payments" in self._names:
            around = Surroundings(http, self._world, compute.run, self._gateway.url)
            gateways = configured_gateways(self._config, around)
        services = services_of(self._config, self._gateway.url, gateways)
        return [service for service in services if service.name in self._names]

    def _ledgers(self, http: httpx.AsyncClient) -> Mapping[str, Trades]:
        url = self._config.section("sandbox", SandboxSettings).url
        return sandbox_ledgers(url, http) if url else {}

    def _parts(self, host: Host) -> dict[str, Part]:
        """What operators see here: the gateway sees the whole shop."""
        if GATEWAY not in self._names:
            return dict(host.runtimes)
        distant = [one for one in CLASSES if one.name not in host.runtimes]
        parts: dict[str, Part] = {
            one.name: DistantPart(one, open_database(self._url, self._world, one), self._world) for one in distant
        }
        return parts | host.runtimes

    def _application(self, operations: Operations, rpc: RpcFigures) -> Application:
        if GATEWAY not in self._names:
            return Monitor(operations, rpc)
        return build_app(operations, self._config.section("web", WebSettings), rpc)


def _missing(services: Sequence[str]) -> str | None:
    return f"nobody offers {', '.join(services)}" if services else None
