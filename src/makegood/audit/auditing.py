"""Checks every promise; what looks broken is looked at again when the queues have drained.

Each service is read in its own snapshot, and the shop goes on meanwhile: so between two snapshots an order may have
moved on, or a message be under way. What breaks a promise for good is still there on the next look; what was only
under way is not. A finding counts when it is found on every look, the last of them after the queues have drained or
`PATIENCE` has passed.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from makegood.audit import across, platform
from makegood.audit.across import Databases
from makegood.audit.platform import Trades
from makegood.shop.accounts import audit as accounts
from makegood.shop.audit_types import Checked, Finding
from makegood.shop.coupons import audit as coupons
from makegood.shop.journal import audit as journal
from makegood.shop.orders import audit as orders
from makegood.shop.orders.service import Orders
from makegood.shop.payments import audit as payments
from makegood.shop.payments.service import Payments
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.points import audit as points
from makegood.shop.stock import audit as stock

TITLES = {
    "P1": "stock is never below zero; on hand + held by orders = loaded",
    "P2": "a coupon is used by at most one live order",
    "P3": "balances are never below zero; each is the sum of its entries",
    "P4": "an order is paid if and only if nothing was due, or exactly one payment of its amount was captured",
    "P5": "every fen captured is on a paid order, refunded, or on the list of breaks",
    "P6": "who holds something for an order is who should; cancelling puts back exactly once",
    "P7": "each notification takes effect once",
    "P8": "each consumer acts once for each payment",
    "P10": "no order is undecided past its deadline, and somebody sees to everything that is not ended",
    "P12": "the platform's trades and our payments agree",
}
"""What each promise says."""
PATIENCE = 10.0
"""Seconds that messages and tasks may take to settle."""
PAUSE = 0.5
"""Seconds between looks."""


async def audit(
    databases: Databases, settings: PaymentsSettings, platforms: Mapping[str, Trades], *, patience: float = PATIENCE
) -> list[Checked]:
    """As `look`, again and again while something is broken, for `patience` seconds; with none there is only one look.

    Raises DatabaseError.
    """
    checked = await look(databases, settings, platforms)
    until = asyncio.get_running_loop().time() + patience
    while patience and any(one.count for one in checked):
        await asyncio.sleep(PAUSE)
        last = asyncio.get_running_loop().time() >= until
        again = await look(databases, settings, platforms)
        checked = [_lasting(before, after) for before, after in zip(checked, again, strict=True)]
        if last:
            break
    return checked


async def look(databases: Databases, settings: PaymentsSettings, platforms: Mapping[str, Trades]) -> list[Checked]:
    """Every promise, in the order of `TITLES`, looked at once: what is only under way counts as broken.

    `databases` by the service's name, the platforms' ledgers by channel. Raises DatabaseError; a platform that does not
    answer is a finding.
    """
    found = [*await _own(databases, settings), *await across.orders_and_holders(databases)]
    found.extend(await across.orders_and_payments(databases))
    found.extend(await across.payments_and_consumers(databases))
    found.append(await platform.trades_and_payments(databases["payments"], platforms))
    return [_together(promise, [one for one in found if one.promise == promise]) for promise in TITLES]


async def _own(databases: Databases, settings: PaymentsSettings) -> list[Checked]:
    """What each service can check by itself."""
    found: list[Checked] = []
    for name, module in (("stock", stock), ("coupons", coupons), ("accounts", accounts), ("orders", orders)):
        found.extend(await databases[name].survey(module.audit))
    for name, module in (("points", points), ("journal", journal)):
        found.extend(await databases[name].survey(module.audit))
    found.extend(await databases["payments"].survey(lambda reader: payments.audit(reader, settings)))
    found.append(await databases["orders"].survey(partial(orders.unattended, Orders.tables)))
    found.append(await databases["payments"].survey(partial(payments.unattended, Payments.tables)))
    return found


def _together(promise: str, parts: Iterable[Checked]) -> Checked:
    parts = list(parts)
    findings = tuple(finding for part in parts for finding in part.findings)
    return Checked(promise, sum(one.examined for one in parts), sum(one.count for one in parts), findings)


def _lasting(before: Checked, after: Checked) -> Checked:
    """What was found both times; with more findings than are kept, the smaller count is the best there is."""
    known = {_identity(finding) for finding in before.findings}
    lasting = tuple(finding for finding in after.findings if _identity(finding) in known)
    complete = before.count == len(before.findings) and after.count == len(after.findings)
    return Checked(after.promise, after.examined, len(lasting) if complete else min(before.count, after.count), lasting)


def _identity(finding: Finding) -> tuple[str, str]:
    return (finding.promise, finding.subject)
