"""The audit of a world at rest."""

from collections import Counter

from makegood.audit.auditing import look
from makegood.simulation.checks import Broken
from makegood.simulation.house import House
from makegood.simulation.platform import Platforms
from makegood.simulation.world import World


async def judge(world: World, house: House, platforms: Platforms, examined: Counter[str]) -> list[Broken]:
    """What the audit finds broken; `examined` counts what it looked at for each promise."""
    databases = {name: disk.seen_by(world) for name, disk in house.disks.items()}
    checked = await look(databases, house.settings.payments(), platforms.ledgers())
    for one in checked:
        examined[one.promise] += one.examined
    return [Broken(f.promise, f.subject, f.detail) for one in checked for f in one.findings]
