"""The cases of `bench orders`: who orders what, and the requests that say so."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from makegood.bench.errors import BenchError
from makegood.bench.generator import NextRequest

T = TypeVar("T")
Goods = Literal["spread", "hot", "sold-out"]
GOODS: tuple[Goods, ...] = ("spread", "hot", "sold-out")
BUYERS = (1, 8, 64, 256, 1_024)
LINES = (1, 9)
SKUS = 1_000
"""SKUs over which the orders of `spread` go."""
PRICE = 10_000
"""Fen of a piece: shipped free, so nothing depends on the shop's fee."""
STOCK = 1_000_000_000
"""Pieces of each SKU that has any: no case ever runs out."""
BALANCE = 1_000_000_000_000
"""Fen each buyer has."""
COUPON_VALUE, BALANCE_USED = 500, 100
"""Fen that an order with coupon and balance saves."""
MAX_BUYERS = 4_000
"""Most connections that the shop's server takes."""
MAX_LINES = 100
"""Most lines of an order here."""
USER_ROWS = 500
"""Users of one load document."""
HEAD = (
    b"POST /api/orders HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer %b\r\nidempotency-key: %b-%d\r\ncontent-length: %d\r\n\r\n"
)
"""An order's request, before its body."""


class Case(msgspec.Struct, frozen=True):
    """One case: `buyers` connections, each with one order under way; `extras`: with coupon and balance."""

    buyers: int
    goods: Goods
    lines: int
    extras: bool

    def __str__(self) -> str:
        lines = f"{self.lines} line{'s' if self.lines > 1 else ''}"
        buyers = f"{self.buyers:,} buyer{'s' if self.buyers > 1 else ''}"
        return f"{self.goods}, {lines}{', coupon and balance' if self.extras else ''}, {buyers}"

    @property
    def name(self) -> str:
        """Short, fit for a file."""
        return f"{self.goods}-{self.lines}-{'extras' if self.extras else 'plain'}-{self.buyers}"

    @property
    def status(self) -> int:
        """The HTTP status of every answer, if the shop is right."""
        return 409 if self.goods == "sold-out" else 201


def default_cases() -> list[Case]:
    """Every number of buyers for the plain order of one line; the other kinds at 256 buyers."""
    cases = [Case(buyers, "spread", 1, False) for buyers in BUYERS]
    cases += [Case(256, "hot", 1, False), Case(256, "sold-out", 1, False)]
    return [*cases, Case(256, "spread", 9, False), Case(256, "spread", 1, True)]


def chosen_cases(
    buyers: Sequence[int], goods: Sequence[Goods], lines: Sequence[int], extras: Sequence[bool]
) -> list[Case]:
    """Every combination. Raises BenchError for what no shop here could be asked."""
    for number in buyers:
        if not 1 <= number <= MAX_BUYERS:
            raise BenchError(f"--buyers {number}: give 1 to {MAX_BUYERS:,}")
    for number in lines:
        if not 1 <= number <= MAX_LINES:
            raise BenchError(f"--lines {number}: give 1 to {MAX_LINES}")
    return [Case(*one) for one in itertools.product(buyers, goods, lines, extras)]


def select(
    buyers: str | None, goods: str | None, lines: str | None, kind: str | None, *, full: bool, history: bool = False
) -> list[Case]:
    """The cases that the command's options name; what they leave open is one plain line of `spread`, 256 buyers.

    `history`: that case alone is measured when they leave all open. Raises BenchError for what is no such option.
    """
    if full:
        return chosen_cases(BUYERS, GOODS, LINES, (False, True))
    if buyers is goods is lines is kind is None and not history:
        return default_cases()
    return chosen_cases(
        _numbers("--buyers", buyers or "256"),
        [_one_of("--goods", name, {one: one for one in GOODS}) for name in (goods or "spread").split(",")],
        _numbers("--lines", lines or "1"),
        [_one_of("--kind", name, {"plain": False, "coupon": True}) for name in (kind or "plain").split(",")],
    )


def documents() -> Iterator[bytes]:
    """What every shop of a bench is loaded with, in documents that it takes."""
    hot = [f"hot-{number}" for number in range(MAX_LINES)]
    rows = [_good(sku, STOCK) for sku in [*(f"sku-{number}" for number in range(SKUS)), *hot]]
    yield msgspec.json.encode({"goods": [*rows, _good("sold-out", 0)]})
    for begin in range(0, MAX_BUYERS, USER_ROWS):
        users = [{"user": user_name(at), "balance": BALANCE} for at in range(begin, begin + USER_ROWS)]
        yield msgspec.json.encode({"users": users})


def user_name(number: int) -> str:
    """The user behind a connection."""
    return f"buyer-{number:04}"


def coupon_id(tag: str, number: int) -> str:
    """The coupon of an order; it is its buyer's."""
    return f"{tag}-{number}"


class OrderRequests:
    """The orders of a case, one after another, each with a key (and coupon) of its own by `tag`; at most `limit`."""

    def __init__(self, case: Case, tokens: Sequence[str], tag: str, *, first: int = 0, limit: int) -> None:
        self.placed = first
        self._case = case
        self._tag = tag
        self._end = first + limit
        self._tokens = [token.encode() for token in tokens[: case.buyers]]
        self._bodies = [self.body(at) for at in range(SKUS if case.goods == "spread" else 1)]

    @property
    def next(self) -> NextRequest:
        """Gives the next order's request, None behind the last."""
        return self._next_with_coupon if self._case.extras else self._next_plain

    def example(self) -> bytes:
        """The first order's request, which stays to be given."""
        return self._request(0, self._bodies[0])

    def _next_plain(self) -> bytes | None:
        number = self.placed
        if number >= self._end:
            return None
        self.placed = number + 1
        return self._request(number, self._bodies[number % len(self._bodies)])

    def _next_with_coupon(self) -> bytes | None:
        number = self.placed
        if number >= self._end:
            return None
        self.placed = number + 1
        body = self._bodies[number % len(self._bodies)].replace(b"COUPON", coupon_id(self._tag, number).encode())
        return self._request(number, body)

    def _request(self, number: int, body: bytes) -> bytes:
        token = self._tokens[number % len(self._tokens)]
        return HEAD % (token, self._tag.encode(), number, len(body)) + body

    def body(self, at: int) -> bytes:
        """The body of the order that begins with this SKU; COUPON stands for its coupon."""
        skus = self._skus(at)
        saved = COUPON_VALUE + BALANCE_USED if self._case.extras else 0
        order = {
            "lines": [{"sku": sku, "quantity": 1, "unit_price": PRICE} for sku in skus],
            "coupon_id": "COUPON" if self._case.extras else None,
            "balance": BALANCE_USED if self._case.extras else 0,
            "shipping_fee": 0,
            "amount_due": len(skus) * PRICE - saved,
        }
        return msgspec.json.encode(order)

    def _skus(self, at: int) -> list[str]:
        lines = self._case.lines
        match self._case.goods:
            case "spread":
                return [f"sku-{(at * lines + line) % SKUS}" for line in range(lines)]
            case "hot":
                return [f"hot-{line}" for line in range(lines)]
            case "sold-out":
                return [*(f"hot-{line}" for line in range(lines - 1)), "sold-out"]


def _good(sku: str, stock: int) -> dict[str, str | int]:
    return {"sku": sku, "title": f"Goods {sku}", "price": PRICE, "stock": stock}


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise BenchError(f"{option} {text}: give whole numbers with commas, such as 64,256") from error


def _one_of(option: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise BenchError(f"{option} {name}: give some of {', '.join(known)}, with commas")
    return known[name]
