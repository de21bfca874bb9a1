"""Loading users: totals ever loaded, all rows or none, and no hashing inside a transaction."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest

from makegood.engine.errors import DeadlineExceeded
from makegood.shop.accounts.contracts import LoadUser, LoadUsers
from makegood.shop.accounts.tables import ACCOUNTS
from tests.unit.accounts.bank import Bank

T = TypeVar("T")


async def test_load_again_changes_nothing() -> None:
    """The same load a second time adds, changes and hashes nothing."""
    bank = Bank()
    users = (LoadUser("ann", 1_000, "secret"), LoadUser("bob", 0))
    first = await bank.load(*users)
    assert (first.added, first.changed, bank.engine.computed) == (2, 0, 1)
    again = await bank.load(*users)
    assert (again.added, again.changed, again.problems, bank.engine.computed) == (0, 0, (), 1)
    assert bank.balances() == {"ann": 1_000, "bob": 0}
    assert bank.entries("bob") == []


async def test_load_applies_the_difference() -> None:
    """A larger or smaller total changes the balance by the difference, each time as an entry of its own."""
    bank = Bank(ann=1_000)
    bank.take(1, "ann", 300)
    for total in (800, 1_000, 800, 300):
        assert (await bank.load(LoadUser("ann", total))).changed == 1
    assert bank.balances() == {"ann": 0}
    loads = [amount for source, amount in bank.entries("ann") if source.startswith("load")]
    assert loads == [1_000, -200, 200, -200, -500]
    assert bank.findings() == []


async def test_load_below_what_is_spent_is_refused() -> None:
    """A total below what is spent refuses the whole load, checked or applied."""
    bank = Bank(ann=1_000)
    bank.take(1, "ann", 300)
    users = (LoadUser("new", 5, "secret"), LoadUser("ann", 299))
    problem = "user ann: 299 fen ever loaded would leave the balance below zero, for 300 fen are spent"
    for apply in (False, True):
        assert (await bank.load(*users, apply=apply)).problems == (problem,)
    assert (bank.balances(), bank.engine.computed) == ({"ann": 700}, 0)


class SpendingPool:
    """An executor during whose work an order takes 600 fen of ann's balance."""

    bank: Bank

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`."""
        assert self.bank.take(1, "ann", 600) == ""
        return work()

    def close(self) -> None:
        """Nothing to wait for."""


async def test_balance_spent_while_hashing_is_seen() -> None:
    """What changes between the check and the transaction is checked again, and nothing is taken in."""
    pool = SpendingPool()
    pool.bank = bank = Bank(pool, ann=1_000)
    loaded = await bank.load(LoadUser("ann", 500), LoadUser("new", 1, "secret"))
    assert loaded.problems == (
        "user ann: 500 fen ever loaded would leave the balance below zero, for 600 fen are spent",
    )
    assert bank.balances() == {"ann": 400}


async def test_user_listed_twice_is_refused() -> None:
    """A user in two rows refuses the whole load."""
    bank = Bank()
    loaded = await bank.load(LoadUser("ann", 1), LoadUser("ann", 2))
    assert loaded.problems == ("user ann: the user is listed twice; keep one row",)
    assert bank.balances() == {}


async def test_check_takes_nothing_in() -> None:
    """Without `apply` nothing is written or hashed."""
    bank = Bank()
    assert (await bank.load(LoadUser("ann", 1, "secret"), apply=False)).problems == ()
    assert (bank.balances(), bank.engine.computed) == ({}, 0)


async def test_password_is_kept() -> None:
    """A password that is set stays; a user without one gets it with a later load."""
    bank = Bank()
    await bank.load(LoadUser("ann", 1, "first"), LoadUser("bob", 1))
    loaded = await bank.load(LoadUser("ann", 1, "second"), LoadUser("bob", 1, "other"))
    assert loaded.changed == 1
    assert [await bank.sign_in("ann", password) for password in ("first", "second")] == [True, False]
    assert await bank.sign_in("bob", "other")
    await bank.load(LoadUser("bob", 1))
    assert await bank.sign_in("bob", "other")


async def test_salts_differ() -> None:
    """Equal passwords have different hashes, with the parameters they should have."""
    bank = Bank()
    await bank.load(LoadUser("ann", 1, "same"), LoadUser("bob", 1, "same"))
    rows = bank.database.read(lambda reader: reader.page(ACCOUNTS, limit=9))
    hashes = [row.password_hash or "" for row in rows]
    assert len(set(hashes)) == 2
    assert all(one.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for one in hashes)


async def test_load_past_its_deadline_takes_nothing_in() -> None:
    """A load with more passwords than its deadline has room for is refused as a whole."""
    bank = Bank()
    users = [LoadUser(f"user{number}", 1, "secret") for number in range(50)]
    with pytest.raises(DeadlineExceeded, match="load fewer users"):
        await bank.load(*users, seconds=0.05)
    assert bank.balances() == {}
    assert bank.engine.computed < len(users)


@pytest.mark.parametrize("change", [{"user": ""}, {"password": ""}, {"balance": -1}, {"admin": True}])
def test_bad_rows_stop_at_the_door(change: dict[str, object]) -> None:
    """A row outside its bounds is not decoded."""
    row = {"user": "u", "password": "p", "balance": 1}
    assert msgspec.convert({"users": [row], "apply": True}, LoadUsers).users[0].password == "p"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"users": [row | change], "apply": True}, LoadUsers)
