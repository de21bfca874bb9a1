"""Loads goods, users and coupons from a JSON document: the whole of it, or nothing.

Every row is checked here, and by the service it belongs to, before anything is taken in. Stock and balances are
totals ever loaded, so loading the same document again changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.stock import contracts as stock
from makegood.shop.types import CouponId, Fen, Price, User
from makegood.times import milliseconds

MAX_DOCUMENT = 8 * 1024 * 1024
"""Most bytes of a document."""
MAX_PROBLEMS = 100
"""Most problems that are listed."""
ROWS = 5_000
"""Most goods or coupons that a service is asked to take in at once."""
USER_ROWS = 500
"""The same for users: each new password costs a hash of about 30 ms."""
TIMEOUT = 120.0
"""Seconds to wait for each such request."""

Q = TypeVar("Q")
A = TypeVar("A")
R = TypeVar("R")


class Call(Protocol):
    """How services are asked."""

    async def __call__(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer; raises EngineError."""
        ...


class LoadRefused(Exception):
    """The document was not loaded: `problems` says what is wrong and where. Correct it, then load it again."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems[:MAX_PROBLEMS])
        super().__init__(f"not loaded, correct the file: {'; '.join(self.problems[:3])}")


class LoadReport(msgspec.Struct, frozen=True):
    """How many rows of each kind there were, how many of all were new, and how many changed what was there."""

    goods: int
    users: int
    coupons: int
    added: int
    changed: int


class CouponRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A coupon of a document: value and minimum in fen, `valid_until` in RFC 3339 UTC."""

    coupon_id: CouponId
    user: User
    value: Price
    minimum: Fen
    valid_until: Annotated[datetime, msgspec.Meta(tz=True)]

    def __post_init__(self) -> None:
        if self.valid_until.utcoffset() != timedelta(0) or self.valid_until.year < 1970:
            raise ValueError("valid_until is no time in UTC, such as 2030-12-31T23:59:59Z")


class LoadDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document: rows of each kind, each kind optional."""

    goods: tuple[stock.LoadGood, ...] = ()
    users: tuple[accounts.LoadUser, ...] = ()
    coupons: tuple[CouponRow, ...] = ()


async def load(call: Call, document: bytes) -> LoadReport:
    """Takes in the whole document. Raises LoadRefused, and EngineError when a service fails.

    Should a service fail or refuse after all of them have agreed, loading the same document again completes it.
    """
    parts = _parts(parse(document))
    problems = [problem for part in parts for problem in (await part.ask(call, apply=False)).problems]
    if problems:
        raise LoadRefused(problems)
    taken = [await part.take_in(call) for part in parts]
    goods, users, held = [len(part.rows) for part in parts]
    return LoadReport(goods, users, held, sum(one.added for one in taken), sum(one.changed for one in taken))


def parse(document: bytes) -> LoadDocument:
    """The rows of a document, each checked by itself; raises LoadRefused with every problem and its place."""
    if len(document) > MAX_DOCUMENT:
        raise LoadRefused([f"the document has {len(document)} bytes, more than {MAX_DOCUMENT}: split it"])
    try:
        raw = msgspec.json.decode(document, type=_RawDocument)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise LoadRefused([f"the document is not {{goods, users, coupons}} in JSON: {error}"]) from error
    rows = _Rows()
    parsed = LoadDocument(
        goods=rows.read("goods", raw.goods, stock.LoadGood, lambda row: row.sku),
        users=rows.read("users", raw.users, accounts.LoadUser, lambda row: row.user),
        coupons=rows.read("coupons", raw.coupons, CouponRow, lambda row: row.coupon_id),
    )
    if rows.problems:
        raise LoadRefused(rows.problems)
    return parsed


class _RawDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    goods: tuple[msgspec.Raw, ...] = ()
    users: tuple[msgspec.Raw, ...] = ()
    coupons: tuple[msgspec.Raw, ...] = ()


class _Rows:
    """Reads rows and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, name: str, raws: Sequence[msgspec.Raw], kind: type[R], key: Callable[[R], str]) -> tuple[R, ...]:
        """The valid rows; stops when there are too many problems to list."""
        decoder = msgspec.json.Decoder(kind)
        places: dict[str, int] = {}
        rows: list[R] = []
        for index, raw in enumerate(raws):
            if len(self.problems) >= MAX_PROBLEMS:
                break
            row = self._row(f"{name}[{index}]", raw, decoder)
            if row is not None and places.setdefault(key(row), index) != index:
                self.problems.append(f"{name}[{index}]: {key(row)} is already in {name}[{places[key(row)]}]")
            elif row is not None:
                rows.append(row)
        return tuple(rows)

    def _row(self, place: str, raw: msgspec.Raw, decoder: msgspec.json.Decoder[R]) -> R | None:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at ")
            self.problems.append(f"{place}{path.strip('`')[1:]}: {message}")
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self.problems.append(f"{place}: {error}")
        return None


class _Loaded(NamedTuple):
    problems: list[str]
    added: int
    changed: int


@dataclass(frozen=True)
class _Part:
    """The rows of one service, and how it is asked to take them in."""

    rows: Sequence[Any]
    size: int
    operation: Operation[Any, Any]
    request: Callable[[tuple[Any, ...], bool], Any]

    async def ask(self, call: Call, *, apply: bool) -> _Loaded:
        """What the service says to all rows, some thousand at a time."""
        problems: list[str] = []
        added = changed = 0
        for begin in range(0, len(self.rows), self.size):
            rows = tuple(self.rows[begin : begin + self.size])
            answer = await call(self.operation, self.request(rows, apply), Deadline.after(TIMEOUT))
            problems += answer.problems
            added, changed = added + answer.added, changed + getattr(answer, "changed", 0)
            if len(problems) >= MAX_PROBLEMS:
                break
        return _Loaded(problems, added, changed)

    async def take_in(self, call: Call) -> _Loaded:
        """Takes the rows in; raises LoadRefused when the service has changed its mind since it was asked."""
        loaded = await self.ask(call, apply=True)
        if loaded.problems:
            raise LoadRefused([*loaded.problems, "the shop changed meanwhile: load the same document again"])
        return loaded


def _parts(document: LoadDocument) -> tuple[_Part, _Part, _Part]:
    return (
        _Part(document.goods, ROWS, stock.LOAD, stock.LoadGoods),
        _Part(document.users, USER_ROWS, accounts.LOAD, accounts.LoadUsers),
        _Part([_coupon(row) for row in document.coupons], ROWS, coupons.LOAD, coupons.LoadCoupons),
    )


def _coupon(row: CouponRow) -> coupons.LoadCoupon:
    return coupons.LoadCoupon(row.coupon_id, row.user, row.value, row.minimum, milliseconds(row.valid_until))
