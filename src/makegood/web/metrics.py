"""Figures for Prometheus: requests by route and status with their latency, the process, what the services report."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from makegood.web.port import ServiceFigures, Shop

CONTENT_TYPE = "text/plain; version=0.0.4"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COUNTERS = {
    "batches": "Batches run since the start",
    "requests": "Requests in those batches",
    "failures": "Requests that raised",
    "commits": "Transactions committed since the start",
}
GAUGES = {
    "queue": "Calls that wait for a batch",
    "outbox": "Messages committed and not yet sent",
    "lag": "Messages that the service's groups have not handled",
    "set_aside": "Events that failed and will be tried again",
    "dead": "Events and tasks given up",
}
FUNCTION_COUNTERS = {
    "batches": "Batches that a function has run since the start",
    "requests": "Requests in those batches",
    "failed": "Requests that raised",
    "expired": "Requests whose deadline passed before their answer; most were not run",
    "shed": "Requests refused at once: they would have waited too long",
    "seconds": "Seconds in the function's transactions",
}
Family = CounterMetricFamily | GaugeMetricFamily


class Metrics:
    """One registry of its own; labels are bounded by the routes, statuses, services and functions there are."""

    def __init__(self, shop: Shop) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Services(shop))
        ProcessCollector(registry=self._registry)
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

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not ask the shop before it runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every figure, with the service as its label, and those of its functions."""
        figures = list(self._shop.services())
        for name, help in COUNTERS.items():
            yield _family(CounterMetricFamily(f"makegood_service_{name}", help, labels=["service"]), name, figures)
        for name, help in GAUGES.items():
            yield _family(GaugeMetricFamily(f"makegood_service_{name}", help, labels=["service"]), name, figures)
        for name, help in FUNCTION_COUNTERS.items():
            yield _function_family(name, help, figures)


def _family(family: Family, name: str, figures: Sequence[ServiceFigures]) -> Family:
    for one in figures:
        family.add_metric([one.service], getattr(one, name))
    return family


def _function_family(name: str, help: str, figures: Sequence[ServiceFigures]) -> Family:
    family = CounterMetricFamily(f"makegood_function_{name}", help, labels=["service", "function"])
    for one in figures:
        for did in one.functions:
            family.add_metric([one.service, did.function], getattr(did, name))
    return family
