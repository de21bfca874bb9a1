"""The services' figures as Prometheus' metrics. `docs/observability.md` says what to make of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from makegood.engine.batching import SIZES, TIMES
from makegood.web.port import FunctionFigures, ServiceFigures

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
    "tasks_due": "Tasks that may run now",
    "tasks_late": "Tasks that should have begun some seconds ago",
}
COUNTS = {
    "reruns": "Batches run again after a database error, or because another had inserted the same row",
    "database_errors": "Errors that made them run again, or fail",
    "messages_sent": "Messages that the broker has taken; one holds the events of a commit",
    "sendings": "Calls of the broker that sent them",
    "sendings_failed": "Those that failed and were made again",
    "messages_refused": "Messages that no broker takes; they stay in the outbox",
    "messages_received": "Messages that the service's groups have handled, repeats included",
    "events_heard": "Events in them for its listeners",
    "events_failed": "Of those, events set aside: a listener raised, or they could not be decoded",
    "task_runs": "Runs of tasks begun",
    "task_failures": "Those that failed; the task is tried again, or given up",
}
FUNCTION_COUNTERS = {
    "batches": "Batches that a function has run since the start",
    "requests": "Requests in those batches",
    "failed": "Requests that raised",
    "expired": "Requests whose deadline passed before their answer; most were not run",
    "shed": "Requests refused at once: they would have waited too long",
    "seconds": "Seconds in the function's transactions",
}
Figures = Sequence[ServiceFigures]


def families(figures: Figures) -> Iterator[Metric]:
    """Every figure, with the service as its label, those of its functions and groups with theirs."""
    for name, help in COUNTERS.items():
        yield _counter(f"makegood_service_{name}", help, {one.service: getattr(one, name) for one in figures})
    for name, help in COUNTS.items():
        known = {one.service: one.counts[name] for one in figures if name in one.counts}
        yield _counter(f"makegood_service_{name}", help, known)
    for name, help in GAUGES.items():
        yield _gauge(f"makegood_service_{name}", help, {one.service: getattr(one, name) for one in figures})
    oldest = {one.service: one.counts.get("outbox_oldest", 0) / 1000 for one in figures}
    yield _gauge("makegood_service_outbox_oldest_seconds", "Age of the oldest message not yet sent; 0 without", oldest)
    yield from _groups(figures)
    yield from _functions(figures)


def _counter(name: str, help: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, help, labels=["service"])
    for service, value in values.items():
        family.add_metric([service], value)
    return family


def _gauge(name: str, help: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help, labels=["service"])
    for service, value in values.items():
        family.add_metric([service], value)
    return family


def _groups(figures: Figures) -> Iterator[Metric]:
    lag = GaugeMetricFamily("makegood_group_lag", "Messages not handled by a group", labels=["service", "group"])
    age = GaugeMetricFamily(
        "makegood_group_oldest_seconds", "Age of the oldest of them; 0 without", labels=["service", "group"]
    )
    for one in figures:
        for group in one.groups:
            lag.add_metric([one.service, group.group], group.lag)
            age.add_metric([one.service, group.group], group.oldest / 1000)
    yield lag
    yield age


def _functions(figures: Figures) -> Iterator[Metric]:
    for name, help in FUNCTION_COUNTERS.items():
        family = CounterMetricFamily(f"makegood_function_{name}", help, labels=["service", "function"])
        for one in figures:
            for did in one.functions:
                family.add_metric([one.service, did.function], getattr(did, name))
        yield family
    waiting = GaugeMetricFamily("makegood_queue_calls", "Calls that wait now", labels=["service", "function"])
    for one in figures:
        for did in one.functions:
            waiting.add_metric([one.service, did.function], did.waiting)
    yield waiting
    yield _histogram("makegood_batch_requests", "Requests in a batch", figures, SIZES, _sizes)
    yield _histogram("makegood_batch_seconds", "Seconds of a batch in its transaction", figures, TIMES, _times)


def _sizes(did: FunctionFigures) -> tuple[Sequence[int], float]:
    return did.sizes, did.requests


def _times(did: FunctionFigures) -> tuple[Sequence[int], float]:
    return did.times, did.seconds


def _histogram(
    name: str,
    help: str,
    figures: Figures,
    bounds: Sequence[float],
    counted: Callable[[FunctionFigures], tuple[Sequence[int], float]],
) -> Metric:
    """Of the functions whose batches are counted so; the sum is of what was measured."""
    family = HistogramMetricFamily(name, help, labels=["service", "function"])
    for one in figures:
        for did in one.functions:
            counts, total = counted(did)
            if counts:
                marks = [*(str(float(bound)) for bound in bounds), "+Inf"]
                buckets = list(zip(marks, accumulate(counts), strict=True))
                family.add_metric([one.service, did.function], buckets=buckets, sum_value=total)
    return family
