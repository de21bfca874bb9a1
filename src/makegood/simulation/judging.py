"""The audit of a world at rest."""

from collections import Counter
from collections.abc import Container, Mapping

from makegood.audit.auditing import look
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.shop.audit_types import stream
from makegood.shop.orders.tables import ORDERS, OrderRow
from makegood.shop.payments.recording import payment_id
from makegood.shop.payments.tables import BILLS, PAYMENTS
from makegood.simulation import checks
from makegood.simulation.checks import Broken
from makegood.simulation.house import House
from makegood.simulation.life import MOST_SKEW
from makegood.simulation.platform import Platforms
from makegood.simulation.world import World


async def judge(
    world: World, house: House, platforms: Platforms, withdrawn: Container[int], examined: Counter[str]
) -> list[Broken]:
    """What is broken; `withdrawn` are the orders that buyers wanted cancelled.

    `examined` counts what the audit looked at for each promise.
    """
    databases = {name: disk.seen_by(world) for name, disk in house.disks.items()}
    checked = await look(databases, house.settings.payments(), platforms.ledgers())
    for one in checked:
        examined[one.promise] += one.examined
    payments, orders = house.disks["payments"].connection, house.disks["orders"].connection
    broken = checks.settled(payments, orders, platforms.misquoted) + checks.limits(house.disks["stock"].connection)
    found = _orders(databases["orders"])
    examined[checks.KEPT] += sum(order.status == "CANCELLED" for order in found)
    broken += checks.cancelled(
        found,
        withdrawn,
        _paid_at(databases, platforms),
        _closed_at(databases["payments"]),
        2 * MOST_SKEW,
    )
    return broken + [Broken(f.promise, f.subject, f.detail) for one in checked for f in one.findings]


def _orders(database: SqliteDatabase) -> list[OrderRow]:
    return database.look(lambda reader: list(stream(reader, ORDERS)))


def _closed_at(database: SqliteDatabase) -> dict[int, int]:
    """When payments began to close an order, in ms UTC."""
    bills = database.look(lambda reader: list(stream(reader, BILLS)))
    return {bill.order_id: bill.changed_at for bill in bills if bill.state == "CLOSED"}


def _paid_at(databases: Mapping[str, SqliteDatabase], platforms: Platforms) -> dict[int, int]:
    """When a platform first took money for an order, in ms UTC by its own clock; where it named the right amount."""
    payments = databases["payments"].look(lambda reader: list(stream(reader, PAYMENTS)))
    order_of = {payment.payment_id: payment.order_id for payment in payments}
    first: dict[int, int] = {}
    for number, at in platforms.paid():
        order_id = order_of.get(payment_id(number))
        if order_id is not None and number not in platforms.misquoted:
            first[order_id] = min(at, first.get(order_id, at))
    return first
