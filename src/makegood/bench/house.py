"""The folder a bench works in: a shop with goods and users, of which every case gets a fresh copy of its own."""

import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec

from makegood.bench import cases
from makegood.bench.cases import Case
from makegood.bench.results import Machine
from makegood.bench.shop import running_shop
from makegood.embedded.directory import Directory
from makegood.engine.world import SystemWorld
from makegood.times import rfc3339
from makegood.web.tokens import Tokens

TOKEN_SECONDS = 24 * 3_600
"""For how long the buyers are signed in: longer than any bench takes."""
FOR_EVER = int(datetime(2099, 12, 31, tzinfo=UTC).timestamp() * 1000)
"""When coupons end, ms UTC."""
DOCUMENT_ROWS = 5_000
"""Coupons of one document."""
NEW_COUPON = "INSERT INTO coupons (coupon_id, user, value, minimum, valid_until, order_id) VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class House:
    """A stopped shop that has everything, and the tokens of its buyers."""

    folder: Path
    template: Path
    tokens: Sequence[str]

    def copy(self, name: str) -> Path:
        """A shop of one's own."""
        fresh = self.folder / name
        shutil.copytree(self.template, fresh)
        os.sync()  # else the disk would still be writing the copy while its case is measured
        for file in fresh.rglob("*.db"):
            _forget_cached(file)
        return fresh

    def remove(self, shop: Path) -> None:
        """Frees the disk of a copy."""
        shutil.rmtree(shop)


async def build(folder: Path) -> House:
    """Makes the template: one start, one load, one stop. Raises BenchError."""
    template = folder / "template"
    template.mkdir(mode=0o700)
    async with running_shop(template) as shop:
        for document in cases.documents():
            await shop.load(document)
    secrets = Directory(template).secrets(SystemWorld(), demo=False)
    return House(folder, template, tokens_of(bytes.fromhex(secrets.signing_key)))


def coupons_of(case: Case, tag: str, count: int) -> Iterator[bytes]:
    """The coupons of a case's orders, in documents that a shop takes."""
    until = rfc3339(FOR_EVER)
    for begin in range(0, count, DOCUMENT_ROWS):
        rows = [
            {
                "coupon_id": cases.coupon_id(tag, at),
                "user": cases.user_name(at % case.buyers),
                "value": cases.COUPON_VALUE,
                "minimum": 0,
                "valid_until": until,
            }
            for at in range(begin, min(count, begin + DOCUMENT_ROWS))
        ]
        yield msgspec.json.encode({"coupons": rows})


def add_coupons(shop: Path, case: Case, count: int) -> None:
    """Gives every order of a case its coupon; the shop is stopped."""
    rows = (
        (cases.coupon_id(case.name, at), cases.user_name(at % case.buyers), cases.COUPON_VALUE, 0, FOR_EVER, 0)
        for at in range(count)
    )
    connection = apsw.Connection(str(shop / "coupons.db"))
    try:
        with connection:
            connection.executemany(NEW_COUPON, rows)
    finally:
        connection.close()


def this_machine() -> Machine:
    """This machine."""
    return Machine(os.cpu_count() or 1, _model(), platform.python_version(), round(os.getloadavg()[0], 2))


def now() -> str:
    """The time, RFC 3339 UTC."""
    return rfc3339(SystemWorld().now())


def _forget_cached(file: Path) -> None:
    """Has the machine read the file from disk when it is needed.

    A copy is cached in large pieces, and the kernel would then write a whole piece for each page that changes.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def tokens_of(signing_key: bytes) -> list[str]:
    """The sessions of all buyers, in a shop with this key."""
    tokens = Tokens(signing_key, TOKEN_SECONDS, SystemWorld().now)
    return [tokens.issue(cases.user_name(number)).token for number in range(cases.MAX_BUYERS)]
