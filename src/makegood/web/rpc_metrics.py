"""The figures of calls between processes as Prometheus' metrics. `docs/observability.md` says what to make of them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from makegood.engine.batching import TIMES
from makegood.engine.rpc.figures import ClientFigures, RpcFigures, ServerFigures, SideFigures

OPERATION = ("service", "operation")
MARKS = (*(str(float(bound)) for bound in TIMES), "+Inf")


def families(figures: RpcFigures) -> Iterator[Metric]:
    """Every figure, of the calls that go out (client) and of those that come in (server)."""
    yield from _side("client", figures.client)
    yield from _client(figures.client)
    if figures.server is not None:
        yield from _side("server", figures.server)
        yield from _answers(figures.server)


def _side(side: str, its: SideFigures) -> Iterator[Metric]:
    name = f"makegood_rpc_{side}"
    calls = CounterMetricFamily(f"{name}_calls", "Calls that have ended", labels=OPERATION)
    failures = CounterMetricFamily(f"{name}_failures", "Those without an answer, by why", labels=(*OPERATION, "kind"))
    seconds = HistogramMetricFamily(f"{name}_seconds", "Seconds of a call that was begun", labels=OPERATION)
    for operation, did in sorted(its.operations.items()):
        calls.add_metric(operation, did.calls)
        for kind, count in sorted(did.failed.items()):
            failures.add_metric((*operation, kind), count)
        seconds.add_metric(operation, list(zip(MARKS, accumulate(did.times), strict=True)), did.seconds)
    yield from (calls, failures, seconds)
    yield from _frames(name, its)
    yield GaugeMetricFamily(f"{name}_streams", "Streams to or from other processes that are open", value=its.streams)


def _frames(name: str, its: SideFigures) -> Iterator[Metric]:
    frames = sorted(its.frames.items())
    text = "Frames with calls of the service"
    yield _by_service(f"{name}_frames", text, ((service, one.frames) for service, one in frames))
    text = "Calls in those frames, those asked once more included"
    yield _by_service(f"{name}_framed_calls", text, ((service, one.calls) for service, one in frames))


def _client(client: ClientFigures) -> Iterator[Metric]:
    text = "Times that a call was asked once more, of another provider or again"
    yield _by_service("makegood_rpc_client_repeats", text, sorted(client.repeats.items()))
    providers = GaugeMetricFamily("makegood_rpc_providers", "Providers that are known now", labels=("service",))
    for service, count in sorted(client.providers.items()):
        providers.add_metric((service,), count)
    yield providers


def _answers(server: ServerFigures) -> Iterator[Metric]:
    totals: Mapping[str, tuple[str, int]] = {
        "answers": ("Answers that went back in frames", server.answers),
        "answer_frames": ("Those frames", server.answer_frames),
    }
    for name, (help, value) in totals.items():
        yield CounterMetricFamily(f"makegood_rpc_server_{name}", help, value=value)


def _by_service(name: str, help: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(name, help, labels=("service",))
    for service, value in values:
        family.add_metric((service,), value)
    return family
