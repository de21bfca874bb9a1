"""The figures that Prometheus, and the bench, read."""

import re
from collections.abc import Sequence

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from makegood.engine.batching import SIZES, TIMES
from makegood.web.metrics import Metrics
from makegood.web.port import FunctionFigures, GroupFigures, ServiceFigures
from tests.unit.web.peer import PeerShop


class BusyShop(PeerShop):
    """A shop of two services whose functions have run."""

    def services(self) -> list[ServiceFigures]:
        """Orders with two functions, stock with one."""
        return [
            _service(
                "orders",
                11,
                [
                    FunctionFigures("Open", 3, 20, 1, 2, 4, 0.5, 6, _counted(SIZES, 2, 1), _counted(TIMES, 0, 3)),
                    FunctionFigures("Settle", 2, 19, 0, 0, 0, 0.25),
                ],
            ),
            _service("stock", 7, [FunctionFigures("Deduct", 5, 20, 0, 0, 0, 0.125)]),
        ]


def _service(name: str, commits: int, functions: Sequence[FunctionFigures]) -> ServiceFigures:
    return ServiceFigures(
        name,
        5,
        39,
        1,
        0,
        2,
        5,
        1,
        0,
        commits=commits,
        functions=tuple(functions),
        groups=(GroupFigures(name, 5, 1_500), GroupFigures(f"{name}-2", 0, 0)),
        counts={"reruns": 8, "messages_sent": 9, "outbox_oldest": 2_500} if name == "orders" else {},
    )


def _counted(bounds: Sequence[float], *counts: int) -> tuple[int, ...]:
    """So many batches at the first bounds, none at the others and behind them."""
    return (*counts, *[0] * (len(bounds) + 1 - len(counts)))


def _samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(one.name, tuple(sorted(one.labels.values()))): one.value for family in families for one in family.samples}


def _families(metrics: Metrics) -> list[Metric]:
    return list(text_string_to_metric_families(metrics.text().decode()))


def test_conventions() -> None:
    """Each family is there once, has a help, a name of its kind and base units, and no sample is there twice."""
    families = [one for one in _families(Metrics(BusyShop())) if not one.name.startswith("process_")]
    names = [one.name for one in families]
    assert sorted(names) == sorted(set(names))
    for one in families:
        assert re.fullmatch("makegood(_[a-z]+)+", one.name), one.name
        assert one.documentation, one.name
        assert one.type in ("counter", "gauge", "histogram"), one.name
        assert "milliseconds" not in one.name
        samples = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in one.samples]
        assert len(samples) == len(set(samples)), one.name
        if one.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in one.samples), one.name


def test_batches_by_size_and_seconds() -> None:
    """Histograms of a function's batches are cumulative, and end with all of them."""
    samples = _samples(Metrics(BusyShop()))
    sizes = {
        bound: samples["makegood_batch_requests_bucket", tuple(sorted((str(bound), "Open", "orders")))]
        for bound in (1.0, 2.0, 4.0, 256.0)
    }
    assert sizes == {1.0: 2, 2.0: 3, 4.0: 3, 256.0: 3}
    assert samples["makegood_batch_requests_sum", ("Open", "orders")] == 20
    assert samples["makegood_batch_requests_count", ("Open", "orders")] == 3
    assert samples["makegood_batch_seconds_bucket", ("0.001", "Open", "orders")] == 0
    assert samples["makegood_batch_seconds_bucket", ("+Inf", "Open", "orders")] == 3
    assert samples["makegood_batch_seconds_sum", ("Open", "orders")] == 0.5
    assert ("makegood_batch_seconds_count", ("Settle", "orders")) not in samples
    assert samples["makegood_queue_calls", ("Open", "orders")] == 6


def test_groups() -> None:
    """Each consumer group says how far behind it is, in messages and in seconds."""
    samples = _samples(Metrics(BusyShop()))
    assert samples["makegood_group_lag", ("orders", "orders")] == 5
    assert samples["makegood_group_oldest_seconds", ("orders", "orders")] == 1.5
    assert samples["makegood_group_oldest_seconds", ("orders", "orders-2")] == 0


def test_counts() -> None:
    """What a service counts is there; what one in another process counts is not taken for zero."""
    samples = _samples(Metrics(BusyShop()))
    assert samples["makegood_service_reruns_total", ("orders",)] == 8
    assert samples["makegood_service_messages_sent_total", ("orders",)] == 9
    assert samples["makegood_service_outbox_oldest_seconds", ("orders",)] == 2.5
    assert ("makegood_service_reruns_total", ("stock",)) not in samples


def test_ready() -> None:
    """The process says what /readyz says."""
    shop = BusyShop()
    assert _samples(Metrics(shop))["makegood_ready", ()] == 1
    shop.trouble = "a store cannot be read"
    assert _samples(Metrics(shop))["makegood_ready", ()] == 0


def test_build() -> None:
    """The process says which version it is."""
    [build] = [one for one in _families(Metrics(PeerShop())) if one.name == "makegood_build_info"]
    assert [sorted(sample.labels) for sample in build.samples] == [["python", "version"]]


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
