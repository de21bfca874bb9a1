"""Figures for Prometheus: requests by route and status with their latency, the process, what the services report."""

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from makegood.engine.rpc.figures import RpcFigures
from makegood.web import rpc_metrics, service_metrics
from makegood.web.port import Shop

CONTENT_TYPE = "text/plain; version=0.0.4"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry of its own; labels are bounded by the routes, statuses, services, groups and functions there are.

    `rpc` has the figures of calls to and from other processes, where there are such.
    """

    def __init__(self, shop: Shop, rpc: RpcFigures | None = None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Services(shop, rpc))
        ProcessCollector(registry=self._registry)
        build = Info("makegood_build", "What runs; its value is always 1", registry=self._registry)
        build.info({"version": version("makegood"), "python": platform.python_version()})
        self._seconds = Histogram(
            "makegood_http_request_seconds",
            "Seconds from a request's headers to its answer's headers",
            ("route", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, int], Histogram] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that took so long."""
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._seconds.labels(route, str(status))
        child.observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Services(Collector):
    """Reads the services' figures when Prometheus asks for them."""

    def __init__(self, shop: Shop, rpc: RpcFigures | None) -> None:
        self._shop = shop
        self._rpc = rpc

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not ask the shop before it runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Whether the process is ready, and every figure of its services and calls."""
        ready = GaugeMetricFamily("makegood_ready", "1 when the process can do its work, as /readyz says; else 0")
        ready.add_metric([], float(self._shop.ready() is None))
        yield ready
        yield from service_metrics.families(list(self._shop.services()))
        if self._rpc is not None:
            yield from rpc_metrics.families(self._rpc)
