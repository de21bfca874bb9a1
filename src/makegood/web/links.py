"""Which order something is about that names a payment of ours, so that people get from the one to the other."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.shop.payments import contracts as payments
from makegood.web.port import Shop
from makegood.web.requests import MAX_ID

TIMEOUT = 5.0
"""Seconds to wait for payments; without its answer things are shown without the link."""
NAMED = 5
"""Most numbers of one text that are looked up."""
_NUMBER = re.compile(r"(?<![0-9])[1-9][0-9]{14,18}(?![0-9])")
_OBJECT = msgspec.json.Decoder(dict[str, Any])


async def orders_of(shop: Shop, payment_ids: Iterable[int]) -> dict[int, int]:
    """The order of each payment that exists, by the payment's id; at most 1,000 are looked up."""
    wanted = tuple(sorted(set(payment_ids)))[: payments.MAX_FOUND]
    if not wanted:
        return {}
    try:
        found = await shop.call(payments.FIND, payments.FindPayments(wanted), Deadline.after(TIMEOUT))
    except EngineError:
        return {}
    return {payment.payment_id: payment.order_id for payment in found.payments}


def numbers_in(text: str) -> list[int]:
    """What may be payments' ids in a text: its first few long numbers."""
    return [int(number) for number in _NUMBER.findall(text)[:NAMED] if int(number) <= MAX_ID]


def fields_of(body: str) -> dict[str, Any]:
    """The fields of a JSON object; none of what is no object, or is nested too deep to read."""
    try:
        return _OBJECT.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def id_in(fields: dict[str, Any], name: str) -> int | None:
    """The id that a field holds, None when it holds none: ids are whole numbers from 1 to 2^63 - 1."""
    value = fields.get(name)
    # JSON's true is an int to Python, and is no id.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None
