"""The bench of a cluster: what is read of it, and what its floor is to do."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.bench.cluster.counters import Counts, counted
from makegood.bench.cluster.hops import hops
from makegood.bench.cluster.plan import cluster_plan, planned_rows, unplanned
from makegood.bench.cluster.site import GATEWAY, SERVICES, read_site
from makegood.bench.cluster.written import RowsByTable, RowsOf
from makegood.bench.errors import BenchError
from makegood.bench.generator import Driven, merged
from makegood.bench.plan import RowsSeen, Writes
from makegood.bench.process import started
from makegood.bench.rows import Kind, Rows, Shape

CONFIG = """
[database]
url = "mysql://shop:secret@127.0.0.1:3306/makegood"
[gateway]
url = "http://127.0.0.1:8000"
[web]
signing_key = "{key}"
operators_token = "{key}"
"""


def site_folder(folder: Path, *, without: str = "") -> Path:
    """The folder of a cluster all of whose processes are this one."""
    names = [f"{kind}-1" for kind in sorted({*SERVICES, GATEWAY})] + ["gateway-2", "mariadb", "broker", "sandbox"]
    (folder / "run").mkdir()
    (folder / "cluster.json").write_text(json.dumps({"ports": {name: at for at, name in enumerate(names, 9000)}}))
    for name in names:
        begun = 1 if name == without else started(os.getpid())
        (folder / "run" / f"{name}.pid").write_text(json.dumps({"pid": os.getpid(), "started": begun}))
    (folder / "shop.toml").write_text(CONFIG.format(key="ab" * 32))
    return folder / "shop.toml"


def _rows(given: dict[str, dict[str, tuple[int, int, int, int]]]) -> RowsByTable:
    return {service: {table: RowsOf(*counts) for table, counts in tables.items()} for service, tables in given.items()}


def _writes(inserted: int, updated: int, deleted: int) -> Writes:
    return Writes("goods", inserted, updated, deleted, (1, 2), 3)


def test_a_cluster_is_read_from_its_folder(tmp_path: Path) -> None:
    """Every process is known by name, kind and port, and both gateways get orders; the sandbox is no part of it."""
    site = read_site(site_folder(tmp_path))
    assert {one.kind for one in site.ours} == {*SERVICES, GATEWAY}
    assert {one.name for one in site.programs} - {one.name for one in site.ours} == {"mariadb", "broker"}
    assert len(site.gateways) == len(set(site.gateways)) == 2
    assert site.program("mariadb").usage().cpu > 0
    assert site.database_of("other") == "mysql://shop:secret@127.0.0.1:3306/other"
    assert "secret" not in repr(site)


def test_a_cluster_that_does_not_run_is_refused(tmp_path: Path) -> None:
    """A pid that is another process by now counts as ended, and the message names what is missing."""
    with pytest.raises(BenchError, match="orders-1 do not run"):
        read_site(site_folder(tmp_path, without="orders-1"))


def test_a_configuration_of_another_machine_is_refused(tmp_path: Path) -> None:
    """Without the cluster's folder around the configuration there is nobody whose CPU could be measured."""
    (tmp_path / "shop.toml").write_text(CONFIG.format(key="ab" * 32))
    with pytest.raises(BenchError, match="deploy/local/cluster up"):
        read_site(tmp_path / "shop.toml")


def test_counters_are_told_apart_by_their_labels() -> None:
    """What a counter went up by, for each of its labels; one that stood still is not there."""
    before: Counts = {("sent", "orders"): 5.0, ("sent", "stock"): 2.0}
    after: Counts = {("sent", "orders"): 8.0, ("sent", "stock"): 2.0, ("sent", "points"): 1.0, ("other",): 9.0}
    assert counted(before, after, "sent") == {("orders",): 3.0, ("points",): 1.0}


def test_hops_say_how_many_go_together() -> None:
    """Calls by frames, and nothing of a way that only the clock uses."""
    after: Counts = {
        ("makegood_rpc_client_framed_calls_total", "orders"): 1_000.0,
        ("makegood_rpc_client_frames_total", "orders"): 50.0,
        ("makegood_rpc_client_framed_calls_total", "points"): 1.0,
        ("makegood_rpc_client_frames_total", "points"): 1.0,
    }
    [hop] = hops({}, after, 1_000)
    assert (hop.name, hop.for_each, hop.together) == ("calls of orders, in a frame", 1.0, 20.0)


def test_the_plan_has_the_rows_that_the_database_counted() -> None:
    """Rows and commits for each order are the cluster's; what the floor cannot write is said."""
    seen = RowsSeen(10, {}, {"orders": {"orders": (1, "x")}}, {"orders": {"orders": 3}}, {}, {})
    rows = {"orders": {"orders": (7, 100, 50, 0), "outbox": (0, 10, 0, 10), "leases": (0, 0, 1, 0)}}
    plan = cluster_plan(Path("x"), seen, _rows(rows), {"orders": 0.05}, 100, 500)
    [file] = plan.files
    assert (file.file, file.commits, plan.orders, planned_rows(plan)) == ("orders", 0.05, 500, {"orders": 1.5})
    assert [(one.table, one.inserted, one.updated, one.keys) for one in file.writes] == [("orders", 1.0, 0.5, 3)]
    assert unplanned(plan, _rows(rows), 100) == ["the floor leaves out 0.200 rows an order of orders.outbox"]


@given(st.lists(st.lists(st.floats(0.001, 5.0), max_size=20), min_size=1, max_size=4))
def test_runs_at_the_same_time_add_up(latencies: list[list[float]]) -> None:
    """Every answer of every run is in the whole, and the time is that of the longest."""
    parts: list[Driven] = []
    for at, each in enumerate(latencies):
        part = Driven(seconds=at + 1.0, in_time=len(each))
        part.latencies.extend(each)
        part.statuses[201] = len(each)
        parts.append(part)
    whole = merged(parts)
    assert sorted(whole.latencies) == sorted(one for each in latencies for one in each)
    assert (whole.seconds, whole.answers, whole.statuses[201]) == (len(latencies), whole.in_time, whole.answers)


@given(st.integers(0, 30), st.integers(0, 60), st.integers(0, 20), st.integers(1, 40))
def test_every_row_is_in_exactly_one_commit(inserted: int, updated: int, deleted: int, commits: int) -> None:
    """All rows are written, in the order in which they can be: none changes or goes before it is there."""
    rows = Rows(Kind(Shape(2, (0,), ()), _writes(inserted, updated, deleted)), 1)
    there = {row[0] for row in rows.there}
    done = [0, 0, 0]
    for at in range(commits):
        part = rows.part(at, commits)
        there |= {row[0] for row in part.new}
        assert {row[0] for row in part.changed} <= there
        assert {key[0] for key in part.gone} <= there
        there -= {key[0] for key in part.gone}
        done = [sum(pair) for pair in zip(done, map(len, part), strict=True)]
    assert done == [inserted, updated, deleted]
