"""The figures that Prometheus, and the bench, read."""

from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from makegood.web.metrics import Metrics
from makegood.web.port import FunctionFigures, ServiceFigures
from tests.unit.web.peer import PeerShop


class BusyShop(PeerShop):
    """A shop of two services whose functions have run."""

    def services(self) -> list[ServiceFigures]:
        """Orders with two functions, stock with one."""
        return [
            _service(
                "orders",
                11,
                [FunctionFigures("Open", 3, 20, 1, 2, 4, 0.5), FunctionFigures("Settle", 2, 19, 0, 0, 0, 0.25)],
            ),
            _service("stock", 7, [FunctionFigures("Deduct", 5, 20, 0, 0, 0, 0.125)]),
        ]


def _service(name: str, commits: int, functions: Sequence[FunctionFigures]) -> ServiceFigures:
    return ServiceFigures(name, 5, 39, 1, 0, 2, 5, 1, 0, commits=commits, functions=tuple(functions))


def _samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(one.name, tuple(sorted(one.labels.values()))): one.value for family in families for one in family.samples}


def test_functions_by_service() -> None:
    """Each function of each service has its own batches, requests and what became of them."""
    samples = _samples(Metrics(BusyShop()))
    said = {
        figure: samples[f"makegood_function_{figure}_total", ("Open", "orders")]
        for figure in ("batches", "requests", "failed", "expired", "shed", "seconds")
    }
    assert said == {"batches": 3, "requests": 20, "failed": 1, "expired": 2, "shed": 4, "seconds": 0.5}
    assert samples["makegood_function_requests_total", ("Settle", "orders")] == 19
    assert samples["makegood_function_requests_total", ("Deduct", "stock")] == 20


def test_commits_by_service() -> None:
    """Each service has its commits."""
    samples = _samples(Metrics(BusyShop()))
    assert samples["makegood_service_commits_total", ("orders",)] == 11
    assert samples["makegood_service_commits_total", ("stock",)] == 7


def test_the_process() -> None:
    """The process says its CPU and its memory."""
    samples = _samples(Metrics(PeerShop()))
    assert samples["process_cpu_seconds_total", ()] > 0
    assert samples["process_resident_memory_bytes", ()] > 1_000_000
