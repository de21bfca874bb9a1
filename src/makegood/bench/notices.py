"""Callbacks made beforehand: what the sandbox would post for each open payment, signed with the platform's key."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from makegood.engine.world import SystemWorld
from makegood.keys import public_pem
from makegood.sandbox.alipay.merchant import Account, Merchant
from makegood.sandbox.alipay.notices import Notices
from makegood.sandbox.alipay.signing import Signer
from makegood.sandbox.notifications import Due, Notification
from makegood.sandbox.trades import State, Trade

SIGNED_AT_ONCE = 200
"""Notices signed between two words about how far it has come."""
FIRST = 1_000_000
"""Where the numbers of these notices begin: the platform's own are below."""
HEAD = b"POST /api/payments/notify/alipay HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
"""A callback's request, before its body."""


class OpenPayment(NamedTuple):
    """A payment that waits for its callback; `amount` in fen."""

    payment_id: int
    amount: int


def open_payments(shop: Path, count: int) -> list[OpenPayment]:
    """Payments of a stopped shop that are open, at most so many."""
    statement = "SELECT payment_id, amount FROM payments WHERE state = 'OPEN' ORDER BY payment_id LIMIT ?"
    with closing(apsw.Connection(str(shop / "payments.db"))) as connection:
        return [OpenPayment(int(row[0]), int(row[1])) for row in connection.execute(statement, (count,))]


def account_of(shop: Path) -> Merchant:
    """The merchant of this shop's sandbox, with the platform's key."""
    statement = "SELECT value FROM settings WHERE name = 'alipay'"
    with closing(apsw.Connection(str(shop / "sandbox" / "sandbox.sqlite"))) as connection:
        return Merchant(msgspec.json.decode(str(connection.execute(statement).get), type=Account))


def platform_key(merchant: Merchant) -> str:
    """The platform's public key, PEM."""
    return public_pem(merchant.platform_key.public_key())


async def signed_requests(
    merchant: Merchant, payments: Sequence[OpenPayment], on_part: Callable[[float], None]
) -> list[bytes]:
    """A whole HTTP request for each payment: its capture, as the sandbox's notifier would post it."""
    signer, now = Signer(merchant.platform_key), SystemWorld().now()
    notices = Notices(merchant, signer)
    requests: list[bytes] = []
    try:
        for at in range(0, len(payments), SIGNED_AT_ONCE):
            chunk = enumerate(payments[at : at + SIGNED_AT_ONCE], FIRST + at)
            composing = [notices.compose(_due(payment, number, now), now) for number, payment in chunk]
            bodies = await asyncio.gather(*composing)
            requests += [_request(body, notices.content_type) for body in bodies]
            on_part(len(requests) / len(payments))
    finally:
        signer.close()
    return requests


def _due(payment: OpenPayment, number: int, now: int) -> Due:
    trade = Trade(
        id=number,
        code="",
        out_trade_no=str(payment.payment_id),
        amount=payment.amount,
        subject="Order",
        body="",
        notify_url="",
        stored_state=State.PAID.value,
        created_at=now,
        expires_at=now,
        opened_at=now,
        paid_at=now,
        closed_at=None,
        refunded=0,
    )
    return Due(Notification(number, number, None, now, now, 0, 0, None), trade, None)


def _request(body: bytes, content_type: str) -> bytes:
    return HEAD % (content_type.encode(), len(body)) + body
