"""The embedded shop: seven services, broker, sandbox and HTTP in one process and its child."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from msgspec import structs

from makegood.audit import audit
from makegood.audit.sandbox import sandbox_ledgers
from makegood.config import Config
from makegood.embedded.demo import demo_document
from makegood.embedded.directory import Directory, RunFile, Secrets
from makegood.embedded.sandbox import SandboxChild, SandboxFile, predecessor_ended
from makegood.embedded.stripe_endpoint import register
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.database.migrations import migrate
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.executor import Executor, Executors, ThreadExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service
from makegood.engine.world import SystemWorld, World
from makegood.load import load
from makegood.operators.shop import Operations
from makegood.shop.assembly import migrations_of, services_of
from makegood.shop.payments.gateways.configured import Merchants, Surroundings, gateways_of
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.service import Payments
from makegood.web.app import build_app
from makegood.web.server import free_port, serving
from makegood.web.settings import WebSettings

COMPUTE_THREADS = 2
"""Threads for signing and hashing."""
CONNECTIONS = 64
"""Most connections to the payment platform."""
OpenDatabase = Callable[[Path, World, Executors], SqliteDatabase]
OpenBroker = Callable[[Path, World, Executor], EmbeddedBroker]


class EmbeddedShop:
    """One folder's shop, which this process holds. `port` 0 is any free one; `demo` fills a new folder.

    `open_database` and `open_broker` open its files, each on threads of its own.
    """

    def __init__(
        self,
        directory: Directory,
        config: Config,
        host: str,
        port: int,
        *,
        demo: bool,
        open_database: OpenDatabase = SqliteDatabase.open,
        open_broker: OpenBroker = EmbeddedBroker.open,
    ) -> None:
        self.stop = asyncio.Event()
        self.host: Host | None = None
        """What runs, once it does."""
        self._directory = directory
        self._config = config
        self._address = (host, port)
        self._demo = demo
        self._open_database = open_database
        self._open_broker = open_broker
        self._world = SystemWorld()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[RunFile]:
        """Serves while entered; on leaving, accepted requests are finished and everything is closed."""
        secrets = self._directory.secrets(self._world, demo=self._demo)
        port = free_port(*self._address)
        sandbox, about = await self._sandbox(secrets, port)
        run = RunFile(f"http://{self._address[0]}:{port}", about.url, secrets.operators_token)
        try:
            async with (
                platform_client(CONNECTIONS) as http,
                self._services(run, about.merchants(), http) as operations,
                self._web(operations, secrets, port),
            ):
                await self._fill(operations)
                self._directory.announce(run)
                operations.opened = True
                yield run
        finally:
            self._directory.forget_run()
            await sandbox.stop()

    async def _sandbox(self, secrets: Secrets, port: int) -> tuple[SandboxChild, SandboxFile]:
        folder = self._directory.path / "sandbox"
        await predecessor_ended(folder)
        wanted = secrets.sandbox_port or port + 1
        sandbox_port = free_port("127.0.0.1", wanted, else_any=True)
        if sandbox_port != secrets.sandbox_port:
            self._directory.keep(structs.replace(secrets, sandbox_port=sandbox_port))
        sandbox = SandboxChild(folder, sandbox_port, self._world)
        return sandbox, await sandbox.start()

    @asynccontextmanager
    async def _services(
        self, run: RunFile, merchants: Merchants, http: httpx.AsyncClient
    ) -> AsyncGenerator[Operations]:
        compute = ThreadExecutor("compute", COMPUTE_THREADS)
        broker = self._open_broker(self._directory.path / "broker.db", self._world, ThreadExecutor("broker"))
        gateways = gateways_of(merchants, Surroundings(http, self._world, compute.run, run.url))
        services = services_of(self._config, run.url, gateways)
        [settings] = [service.settings for service in services if isinstance(service, Payments)]
        if merchants.stripe is not None:
            await register(merchants.stripe, settings.notify_url("stripe"), http)
        host = Host(services, database=self._database, broker=broker, world=self._world, compute=compute, alone=True)
        await host.start()
        self.host = host
        databases = {name: runtime.database for name, runtime in host.runtimes.items()}
        ledgers = sandbox_ledgers(run.sandbox_url, http)
        operations = Operations(host, host.runtimes, broker.stats, partial(audit, databases, settings, ledgers))
        watch = asyncio.get_running_loop().create_task(operations.watch(), name="watch")
        try:
            yield operations
        finally:
            watch.cancel()
            await host.stop()

    @asynccontextmanager
    async def _web(self, operations: Operations, secrets: Secrets, port: int) -> AsyncGenerator[None]:
        settings = self._config.section(
            "web",
            WebSettings,
            signing_key=bytes.fromhex(secrets.signing_key),
            operators_token=secrets.operators_token,
        )
        async with serving(build_app(operations, settings), self._address[0], port, self.stop):
            yield

    async def _fill(self, operations: Operations) -> None:
        """Makes the demo data, once; being interrupted it is made at the next start."""
        secrets = self._directory.secrets(self._world, demo=self._demo)
        if secrets.demo:
            await load(operations.call, demo_document())
            self._directory.keep(structs.replace(secrets, demo=False))

    def _database(self, service: Service) -> SqliteDatabase:
        path = self._directory.path / f"{service.name}.db"
        migrate(f"sqlite:///{path}", service.schema, migrations_of(type(service)))
        return self._open_database(path, self._world, Executors.threads(service.name))
