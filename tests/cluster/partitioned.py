"""Run in a network namespace of its own: the shop under load, cut off from RocketMQ for a while.

`python -m tests.cluster.partitioned` is what `test_partition.py` starts; it fails with a traceback.
"""

import asyncio
import subprocess

from deploy.local.clusterlib.install import program
from deploy.local.clusterlib.site import INSTALLED

from tests.cluster.draining import drained
from tests.cluster.servers import OwnShop
from tests.cluster.shops import configured, reached
from tests.scenario.kill_at_random import prove_promises
from tests.scenario.kill_load import Load
from tests.support.shop_client import shop_client

BEFORE, CUT, BETWEEN = 3.0, 20.0, 3.0
"""Seconds of load before the partition, of the partition, and behind it."""
TIMES = 2
"""The second one meets clients that have just come back."""


async def main() -> None:
    """Orders are answered while the broker cannot be reached, and all that waited is handled afterwards."""
    with configured(), OwnShop() as own:
        ports = [own.site.ports[name] for name in ("proxy", "broker", "name-server")]
        async with shop_client(reached(own)) as shop:
            load = Load(shop, 2, "partition")
            await load.start()
            await asyncio.sleep(BEFORE)
            for _ in range(TIMES):
                before = load.confirmed
                await _cut(ports, "-A")
                await asyncio.sleep(CUT)
                assert load.confirmed > before, "no order was confirmed while the broker could not be reached"
                await _cut(ports, "-D")
                await asyncio.sleep(BETWEEN)
                assert await load.broken() == []
            await load.stop()
            await drained(shop)  # what was on its way to a consumer that was cut off comes again after 30 s
            await load.prove_the_sums()
            await prove_promises(shop)
            assert await load.broken() == []
            print(f"{load.asked} orders answered, {load.confirmed} of them confirmed")


async def _cut(ports: list[int], how: str) -> None:
    """Drops, or drops no longer, whatever is sent to these ports: nobody is told."""
    iptables = program("iptables", INSTALLED)
    for port in ports:
        rule = [iptables, "-w", "5", how, "INPUT", "-p", "tcp", "--dport", str(port), "-j", "DROP"]
        await asyncio.to_thread(subprocess.run, rule, check=True, timeout=30)


if __name__ == "__main__":
    asyncio.run(main())
