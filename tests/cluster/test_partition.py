"""The shop and RocketMQ on two sides of a partition, in a network of their own."""

import os
import subprocess
import sys

import pytest
from deploy.local.clusterlib.install import program
from deploy.local.clusterlib.site import INSTALLED

from tests.support.shop_process import ROOT

SECONDS = 1_200
"""A loaded machine takes long to start a whole cluster."""
ALONE = ("--net", "--", "sh", "-c", '"$0" link set lo up && exec "$@"')
"""A network namespace with nothing but its own loopback: the rules in it end with it."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network namespace")
def test_the_broker_cannot_be_reached() -> None:
    """Orders go on while packets to RocketMQ vanish; afterwards every message is handled and every promise kept."""
    unshare, ip, _ = (program(name, INSTALLED) for name in ("unshare", "ip", "iptables"))
    command = [unshare, *ALONE, ip, sys.executable, "-m", "tests.cluster.partitioned"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20_000:]
