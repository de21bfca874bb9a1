"""The plan of a cluster's floor: rows and commits as the cluster's own database counted them."""

from collections.abc import Mapping
from pathlib import Path

from makegood.bench.cluster.written import RowsByTable
from makegood.bench.plan import LEAST, FilePlan, Plan, RowsSeen, Writes


def cluster_plan(
    folder: Path, seen: RowsSeen, rows: RowsByTable, commits: Mapping[str, float], answers: int, orders: int
) -> Plan:
    """As many rows for each of `orders` as were written for each of the `answers`.

    What the rows look like was `seen` in the embedded shop, whose tables are the same. `commits` are for each order.
    """
    files: list[FilePlan] = []
    for service, tables in rows.items():
        known = seen.samples.get(service, {})
        writes = [
            Writes(
                table=table,
                inserted=done.inserted / answers,
                updated=done.updated / answers,
                deleted=done.deleted / answers,
                sample=known[table],
                keys=seen.keys.get(service, {}).get(table, 0),
                newest=seen.updated.get(service, {}).get(table, ()),
            )
            for table, done in tables.items()
            if table in known and done.written > LEAST * answers
        ]
        if writes:
            files.append(FilePlan(service, (), 0, commits.get(service, 0.0), tuple(writes)))
    return Plan(str(folder), orders, tuple(files))


def planned_rows(plan: Plan) -> dict[str, float]:
    """Rows for each order, by service."""
    return {one.file: sum(each.inserted + each.updated + each.deleted for each in one.writes) for one in plan.files}


def unplanned(plan: Plan, rows: RowsByTable, answers: int) -> list[str]:
    """Tables that the cluster wrote and the floor does not, a sentence each."""
    planned = {(one.file, writes.table) for one in plan.files for writes in one.writes}
    return [
        f"the floor leaves out {done.written / answers:.3f} rows an order of {service}.{table}"
        for service, tables in rows.items()
        for table, done in tables.items()
        if (service, table) not in planned and done.written > 10 * LEAST * answers
    ]
