"""Signing in by password."""

import asyncio
from collections.abc import Callable
from time import process_time
from typing import TypeVar

import pytest

from makegood.engine.errors import DeadlineExceeded, Overloaded
from makegood.shop.accounts.contracts import LoadUser, LoadUsers, SignIn
from makegood.shop.accounts.passwords import hash_password, verify_password
from makegood.shop.accounts.service import MAX_SIGNING_IN
from tests.unit.accounts.bank import Bank

T = TypeVar("T")


class BusyPool:
    """An executor that is busy with something else until it is told otherwise."""

    def __init__(self) -> None:
        self.free = asyncio.Event()

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, in the end."""
        await self.free.wait()
        return work()

    def close(self) -> None:
        """Nothing to wait for."""


async def test_sign_in() -> None:
    """The right password is accepted; a wrong one, a missing one and an unknown user are not."""
    bank = Bank()
    await bank.load(LoadUser("ann", 1, "päss wörd"), LoadUser("bob", 1))
    tries = [("ann", "päss wörd"), ("ann", "pass word"), ("ann", ""), ("bob", ""), ("bob", "x"), ("zoe", "x")]
    assert [await bank.sign_in(*one) for one in tries] == [True, False, False, False, False, False]


async def test_unknown_user_costs_the_same() -> None:
    """Whether there is such a user cannot be told from the work that refusing takes."""
    stored = hash_password("secret", b"s" * 16)
    known = min(_cost(lambda: verify_password("wrong", stored)) for _ in range(5))
    unknown = min(_cost(lambda: verify_password("wrong", None)) for _ in range(5))
    assert 0.5 < unknown / known < 2.0


def _cost(work: Callable[[], bool]) -> float:
    before = process_time()
    assert not work()
    return process_time() - before


async def test_sign_ins_are_bounded() -> None:
    """When too many wait, one more is told to come back, and costs nothing; the others are answered."""
    pool = BusyPool()
    bank = Bank(pool)
    waiting = [asyncio.ensure_future(bank.sign_in("zoe", "x")) for _ in range(MAX_SIGNING_IN)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await bank.sign_in("zoe", "x")
    assert refused.value.retry_after == 2.0
    for one in waiting[1:]:
        one.cancel()
    pool.free.set()
    assert await waiting[0] is False
    await asyncio.sleep(0)
    assert await bank.sign_in("zoe", "x") is False


async def test_sign_in_does_not_wait_past_its_deadline() -> None:
    """A sign-in whose turn does not come in time fails, and leaves its place to another."""
    bank = Bank(BusyPool())
    async with asyncio.timeout(5):
        for _ in range(MAX_SIGNING_IN + 1):
            with pytest.raises(DeadlineExceeded):
                await bank.sign_in("zoe", "x", seconds=0.001)


def test_no_password_is_ever_logged() -> None:
    """The engine logs requests that fail: their text names the user, and not the password."""
    users = LoadUsers((LoadUser("ann", 1, "sesame"),), apply=True)
    assert "sesame" not in f"{SignIn('ann', 'sesame')!r} {users!r}"
    assert "ann" in f"{SignIn('ann', 'sesame')!r} {users!r}"
