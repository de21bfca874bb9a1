"""A part of a real retail year, bought and paid on the real servers."""

import subprocess
import sys

import msgspec

from makegood.replay.report import Report
from tests.cluster.servers import OwnShop
from tests.cluster.shops import configured
from tests.support.shop_process import clean_environment

BASKETS = 5_000
LONGEST = 1_200.0
"""Seconds that it may take on a machine with other work to do."""


def test_five_thousand_real_baskets() -> None:
    """Every basket is placed and paid, and the shop holds to the fen and the piece what the data set says."""
    with configured(), OwnShop() as shop:
        command = [sys.executable, "-m", "makegood", "replay", "--baskets", str(BASKETS)]
        done = subprocess.run(
            [*command, "--config", str(shop.site.config), "--json"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    report = msgspec.json.decode(done.stdout, type=Report)
    assert (report.ok, report.differences, report.actual) == (True, 0, report.expected)
    assert report.actual.orders == BASKETS
