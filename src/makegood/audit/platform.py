"""Checks our payments against the platform's own trades, asked of the sandbox."""

from typing import Any

import httpx

from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader
from makegood.shop.audit_types import Check, Checked, stream
from makegood.shop.payments.audit import AuditedPayment, by_ids, listed_numbers
from makegood.shop.payments.recording import payment_id
from makegood.shop.payments.tables import PAYMENTS

PAGE = 500
TIMEOUT = 10.0
"""Seconds for one page of trades."""
REMEMBERED = 80 * 86_400_000
"""Milliseconds for which the platform is held to know a trade: the sandbox forgets it after 90 days."""


async def trades_and_payments(database: Database, sandbox_url: str, http: httpx.AsyncClient) -> Checked:
    """P12: what the platform took and gave back is what we say, trade by trade, and nothing is missing there.

    A trade on the list of breaks differs, and is known to.
    """
    check = Check("P12")
    try:
        await _compare_all(check, database, sandbox_url, http)
    except httpx.HTTPError as error:
        check.broken("platform", f"it does not answer, so nothing is compared: {error!r}")
    return check.checked()


async def _compare_all(check: Check, database: Database, sandbox_url: str, http: httpx.AsyncClient) -> None:
    listed = await database.survey(listed_numbers)
    taken: set[int] = set()
    after = "0"
    while True:
        page = await _trades(sandbox_url, http, after)
        ids = [payment_id(trade["out_trade_no"]) for trade in page]
        known = await database.survey(lambda reader, ids=ids: by_ids(reader, ids))
        check.examined += len(page)
        for trade in page:
            if trade["out_trade_no"] not in listed:
                _compare(check, trade, known)
        taken.update(payment_id(trade["out_trade_no"]) for trade in page if trade["paid_at"])
        if len(page) < PAGE:
            break
        after = page[-1]["id"]
    for missing in await database.survey(lambda reader: _captured_elsewhere(reader, taken)):
        if str(missing) not in listed:
            check.broken(str(missing), "captured, but the platform knows of no payment")


async def _trades(sandbox_url: str, http: httpx.AsyncClient, after: str) -> list[dict[str, Any]]:
    url = f"{sandbox_url}/control/trades?after={after}&limit={PAGE}"
    answer = await http.get(url, timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.json()["trades"]


def _compare(check: Check, trade: dict[str, Any], known: dict[int, AuditedPayment]) -> None:
    number: str = trade["out_trade_no"]
    payment = known.get(payment_id(number))
    if payment is None:
        check.broken(number, "the platform has a trade that we do not know")
        return
    taken = trade["amount"] if trade["paid_at"] else 0
    if taken != payment.captured:
        check.broken(number, f"the platform took {taken} fen, we say {payment.captured}")
    if trade["refunded"] != payment.refunded:
        check.broken(number, f"the platform gave back {trade['refunded']} fen, we say {payment.refunded}")


def _captured_elsewhere(reader: Reader, taken: set[int]) -> list[int]:
    since = reader.now - REMEMBERED
    rows = (row for row in stream(reader, PAYMENTS) if row.captured and row.created_at > since)
    return [row.payment_id for row in rows if row.payment_id not in taken]
