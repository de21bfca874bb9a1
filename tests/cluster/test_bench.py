"""The bench on the real servers."""

import subprocess
import sys

import msgspec

from makegood.bench.cluster.results import ClusterReport
from tests.cluster.servers import OwnShop
from tests.support.shop_process import clean_environment

LONGEST = 400.0
"""Seconds that it may take on a machine with other work to do."""


def test_what_an_order_costs_on_the_cluster() -> None:
    """Every order is confirmed, its CPU is told process by process, and the floor writes the rows that it wrote."""
    with OwnShop() as shop:
        choice = ["--buyers", "16", "--goods", "spread,sold-out", "--kind", "coupon", "--seconds", "1"]
        command = [sys.executable, "-m", "makegood", "bench", "orders", "--config", str(shop.site.config), *choice]
        done = subprocess.run(
            [*command, "--json"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    report = msgspec.json.decode(done.stdout, type=ClusterReport)
    bought, refused = report.results
    assert (bought.case.status, refused.case.status) == (201, 409)
    for one in report.results:
        assert one.answers == {str(one.case.status): one.orders}
        assert one.python_us > one.embedded.http.cpu_us
        assert one.servers_us["MariaDB"] > one.sql.server_us * 0.5 > 0
        for service, rows in one.sql.rows.items():
            assert abs(rows - one.rows[service]) < 0.05, service
    assert bought.stored == {"confirmed": bought.orders}
    assert {"orders", "stock", "coupons", "accounts", "journal"} <= bought.sql.rows.keys()
    assert min(bought.cpu[f"{name}-{number}"] for name in ("orders", "gateway") for number in (1, 2)) > 0
    together = {hop.name: hop.together for hop in bought.hops}
    assert together["calls of orders, in a frame"] >= 1
    assert together["events to journal, in a message"] > 1
