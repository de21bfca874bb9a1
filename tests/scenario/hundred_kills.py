"""Kills a shop under load with -9 so many times, and prints what became of it: a table; exit status 1 on any break.

    python -m tests.scenario.hundred_kills [NUMBER] [--seed SEED] [--points]

With `--points` it is first killed at every named point as well.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from tests.scenario.kill_at_random import Life, kill_at_random
from tests.scenario.kill_points import COMMAND, EVERY_POINT, SOON, die_at
from tests.support.shop_client import Json, shop_client
from tests.support.shop_process import ShopProcess, running_shop

ROUND = 20
"""Random kills of one shop; the next has a new folder."""


class Report:
    """What has been done so far."""

    def __init__(self) -> None:
        self.points = 0
        self.lives: list[Life] = []
        self.orders = 0
        self.confirmed = 0
        self.broken: list[str] = []
        self.audits: list[Json] = []

    def table(self, seconds: float) -> Table:
        """The figures."""
        ready = [life.ready for life in self.lives]
        table = Table("what", "how many", title="kill -9")
        for what, figure in (
            ("kills at named points", self.points),
            ("kills at random moments under load", len(self.lives)),
            ("orders answered under load", self.orders),
            ("of them 201, each looked at after every kill", self.confirmed),
            ("things that the audits looked at", sum(one["checked"] for one in self.audits)),
            ("promises broken", sum(one["broken"] > 0 for one in self.audits)),
            ("other breaks", len(self.broken)),
            ("seconds from start to ready, median", f"{median(ready):.1f}" if ready else "-"),
            ("seconds from start to ready, most", f"{max(ready):.1f}" if ready else "-"),
            ("seconds in all", round(seconds)),
        ):
            table.add_row(what, str(figure))
        return table


async def main(number: int, seed: int, *, points: bool) -> int:
    """Does it all; returns the exit status."""
    report = Report()
    began = time.monotonic()
    console = Console(stderr=True)
    with Progress(console=console) as progress, tempfile.TemporaryDirectory(prefix="kills-") as folder:
        task = progress.add_task("kill -9", total=number + (len(EVERY_POINT) if points else 0))
        if points:
            await _named(Path(folder) / "named", report, progress, task)
        await _random(Path(folder) / "random", number, seed, report, progress, task)
    Console().print(report.table(time.monotonic() - began))
    for broken in report.broken:
        console.print(f"broken: {broken}", style="red", markup=False)
    return 1 if report.broken or any(one["broken"] for one in report.audits) else 0


async def _named(folder: Path, report: Report, progress: Progress, task: TaskID) -> None:
    folder.mkdir()
    with running_shop(folder, SOON, COMMAND) as process:
        async with shop_client(process) as shop:
            for number, (life, point) in enumerate(EVERY_POINT):
                try:
                    await die_at(shop, life, point, f"user-{number}")
                except Exception as error:
                    report.broken.append(f"{point}: {error!r}")
                    _up_again(process)
                report.points += 1
                progress.update(task, advance=1, description=str(point))
            report.audits += (await shop.audit())["promises"]


async def _random(folder: Path, count: int, seed: int, report: Report, progress: Progress, task: TaskID) -> None:
    chance = random.Random(seed)

    def note(life: Life) -> None:
        report.lives.append(life)
        progress.update(task, advance=1, description=f"{life.asked} orders, {life.confirmed} confirmed")

    for begin in range(0, count, ROUND):
        place = folder / str(begin)
        place.mkdir(parents=True)
        with running_shop(place, SOON) as process:
            async with shop_client(process) as shop:
                try:
                    await kill_at_random(shop, chance.getrandbits(32), min(ROUND, count - begin), "load", note)
                except Exception as error:
                    report.broken.append(f"under load: {error!r}")
                report.orders += report.lives[-1].asked
                report.confirmed += report.lives[-1].confirmed
                _up_again(process)
                report.audits += (await shop.audit())["promises"]


def _up_again(process: ShopProcess) -> None:
    (process.data / "crash").unlink(missing_ok=True)
    if not process.running:
        process.start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kills a shop under load with -9 so many times.")
    parser.add_argument("number", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", action="store_true", help="kill it at every named point first")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.number, arguments.seed, points=arguments.points)))
