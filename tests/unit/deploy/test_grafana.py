"""The dashboard shows what `/metrics` says."""

import json
import re
from typing import Any

from deploy.local.clusterlib.site import ROOT
from prometheus_client.parser import text_string_to_metric_families

from makegood.engine.deadline import Deadline
from makegood.engine.rpc.figures import ClientFigures, RpcFigures, ServerFigures
from makegood.operators.shop import Operations
from makegood.web.metrics import Metrics
from tests.contract.rpc.parrot import parrot_host, running
from tests.unit.engine.tills import TAKE, Books, Take, Till

DASHBOARD = ROOT / "deploy" / "grafana" / "makegood.json"
NAMES = re.compile(r"\b(?:makegood|process)_[a-z_]+")
LABELS = re.compile(r"by \(([a-z, ]+)\)|\{\{([a-z]+)\}\}")
ADDED = {"job", "instance"}
"""Labels that Prometheus adds."""


def _panels() -> list[dict[str, Any]]:
    return json.loads(DASHBOARD.read_text())["panels"]


def _queries() -> list[dict[str, str]]:
    return [target for panel in _panels() for target in panel["targets"]]


async def _exposed() -> dict[str, set[str]]:
    """The labels of each sample of a process that has answered a call, an event and a request."""
    client, server = ClientFigures(), ServerFigures()
    for side in (client, server):
        side.of(TAKE).ended(0.1, TimeoutError())
        side.carried([TAKE.service])
    client.repeated(TAKE.service)
    client.providers[TAKE.service] = 2
    async with running(host := parrot_host([Till(), Books()])):
        await host.call(TAKE, Take(1), Deadline.after(10))
        operations = Operations(host, host.runtimes, _nothing, _nothing)
        metrics = Metrics(operations, RpcFigures(client, server))
        metrics.observe("/api/orders", 201, 0.1)
        families = list(text_string_to_metric_families(metrics.text().decode()))
    return {one.name: set(one.labels) for family in families for one in family.samples}


async def _nothing() -> list[Any]:
    return []


async def test_metrics_that_exist() -> None:
    """Every metric in the dashboard is one that the shop's processes say, with the labels by which it is shown."""
    exposed = await _exposed()
    for query in _queries():
        names = NAMES.findall(query["expr"])
        assert names, query
        assert set(names) <= exposed.keys(), query
        found = LABELS.findall(query["expr"] + query["legendFormat"])
        shown = {label.strip() for both in found for part in both for label in part.split(",")} - {""}
        for name in names:
            assert shown - ADDED <= exposed[name], query


def test_panels() -> None:
    """Panels have a title of their own, say what they show, do not lie on each other, and have something to show."""
    panels = _panels()
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    for panel in panels:
        assert panel["description"]
        assert panel["targets"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
