"""Spans reach a collector by OTLP over HTTP, and its absence hurts nobody."""

import time

import pytest

from makegood.engine import tracing
from makegood.observe import ObserveSettings, set_up
from tests.unit.observe.collector import Collector


def test_spans_arrive(collector: Collector) -> None:
    """What was recorded is with the collector when the process has ended, under the process's name."""
    with set_up(ObserveSettings(otlp_endpoint=collector.url, sample=1.0), "orders-1"):
        root = tracing.begin_request("POST /api/orders", "", {"http.route": "/api/orders"})
        assert root is not None
        with tracing.using(root.context), tracing.span("child", "client") as child:
            assert child is not None
        root.end()
    [(path, request)] = collector.taken
    assert path == "/v1/traces"
    [resource] = request.resource_spans
    names = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (names["service.name"], names["service.namespace"]) == ("orders-1", "makegood")
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    assert spans["child"].parent_span_id == spans["POST /api/orders"].span_id
    assert spans["child"].trace_id.hex() == tracing.trace_id_of(root.context)
    assert not tracing.is_on()


def test_no_collector() -> None:
    """A process whose collector is away works, and ends within seconds."""
    began = time.monotonic()
    with set_up(ObserveSettings(otlp_endpoint="http://127.0.0.1:9", sample=1.0), "p"):
        span = tracing.begin_request("GET /api/me", "")
        assert span is not None
        span.end()
    assert time.monotonic() - began < 10


def test_off() -> None:
    """Without a collector nothing is traced, and what only the cluster's extra has is not needed."""
    with set_up(ObserveSettings(), "p"):
        assert not tracing.is_on()
        assert tracing.begin_request("GET /api/me", "") is None


@pytest.mark.parametrize("wrong", [{"sample": 1.5}, {"sample": -0.1}, {"otlp_endpoint": "collector:4318"}])
def test_wrong_settings(wrong: dict[str, object]) -> None:
    """What cannot be set is refused."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ObserveSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_where_spans_go() -> None:
    """An address without a path is a collector's; one with a path is used as it is."""
    assert ObserveSettings(otlp_endpoint="http://c:4318").traces_url == "http://c:4318/v1/traces"
    assert ObserveSettings(otlp_endpoint="http://c:4318/").traces_url == "http://c:4318/v1/traces"
    assert ObserveSettings(otlp_endpoint="https://c/otlp/v1/traces").traces_url == "https://c/otlp/v1/traces"
