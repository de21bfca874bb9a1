"""Taking balance for orders, and putting it back."""

import pytest

from makegood.engine.errors import DuplicateKey
from makegood.engine.reservations import SKEW
from makegood.shop.accounts.ledger import LOAD, Ledger
from tests.unit.accounts.bank import PATIENCE, Bank


def test_deduct_takes_and_enters() -> None:
    """A deduction lowers the balance and is entered with the order's id."""
    bank = Bank(ann=1_000)
    assert bank.take(1, "ann", 300) == ""
    assert bank.balances() == {"ann": 700}
    assert bank.entries("ann") == [("load:1", 1_000), ("order:1", -300)]


def test_insufficient_balance() -> None:
    """More than there is, and any amount of an unknown user, is refused; all there is may be taken."""
    bank = Bank(ann=1_000)
    assert bank.take(1, "ann", 1_001) == "insufficient_balance"
    assert bank.take(2, "zoe", 0) == "insufficient_balance"
    assert bank.take(3, "ann", 1_000) == ""
    assert bank.balances() == {"ann": 0}


def test_batch_is_decided_in_its_order() -> None:
    """Orders of one user in one batch are served in the order in which they came, as far as the balance goes."""
    bank = Bank(ann=1_000, bob=100)
    requests = [(9, "ann", 600), (4, "ann", 600), (7, "bob", 100), (5, "ann", 400)]
    assert bank.deduct(*(bank.request(*request) for request in requests)) == ["", "insufficient_balance", "", ""]
    assert bank.balances() == {"ann": 0, "bob": 0}
    assert bank.findings() == []


def test_duplicate_takes_once() -> None:
    """The same request again, in the same batch or later, has one effect and the same answer."""
    bank = Bank(ann=1_000)
    request = bank.request(1, "ann", 600)
    assert bank.deduct(request, request) == ["", ""]
    assert bank.deduct(request) == [""]
    assert bank.balances() == {"ann": 400}


def test_duplicate_refusal_stays_a_refusal() -> None:
    """An order that was refused stays refused when balance has come in since."""
    bank = Bank(ann=100)
    assert bank.take(1, "ann", 200) == "insufficient_balance"
    bank.take_in(ann=1_000)
    assert bank.take(1, "ann", 200) == "insufficient_balance"
    assert bank.balances() == {"ann": 1_000}


def test_cancel_puts_back_once() -> None:
    """Cancels and refunds of one order, however many, put back what it took once, as an entry."""
    bank = Bank(ann=1_000)
    bank.take(1, "ann", 600)
    bank.take(2, "ann", 100)
    bank.cancel(1, 1)
    bank.cancel(1)
    bank.refund(1)
    assert bank.balances() == {"ann": 900}
    assert bank.entries("ann") == [("load:1", 1_000), ("order:1", -600), ("order:2", -100), ("return:1", 600)]


def test_orders_of_one_user_are_cancelled_together() -> None:
    """One batch of cancels puts back what several orders of a user took."""
    bank = Bank(ann=1_000, bob=50)
    bank.deduct(bank.request(1, "ann", 600), bank.request(2, "ann", 400), bank.request(3, "bob", 50))
    bank.cancel(3, 1, 2)
    assert bank.balances() == {"ann": 1_000, "bob": 50}
    assert bank.findings() == []


def test_null_compensation_and_hanging() -> None:
    """A cancel before its order puts nothing back, and the order that comes behind it takes nothing."""
    bank = Bank(ann=1_000)
    bank.cancel(1)
    assert bank.take(1, "ann", 100) == "cancelled"
    assert bank.balances() == {"ann": 1_000}


def test_hanging_past_its_deadline() -> None:
    """A request is served until its deadline plus the clocks' difference, and refused after it."""
    bank = Bank(ann=1_000)
    first, second = bank.request(1, "ann", 1), bank.request(2, "ann", 1)
    bank.world.advance(PATIENCE + SKEW)
    assert bank.deduct(first) == [""]
    bank.world.advance(1)
    assert bank.deduct(second) == ["cancelled"]
    assert bank.balances() == {"ann": 999}


def test_double_entry_is_impossible() -> None:
    """A second entry of the same source for a user fails, and with it all of its transaction."""
    bank = Bank(ann=1_000)

    def enter_twice(ledger: Ledger) -> None:
        ledger.enter(ledger.accounts["ann"], LOAD, 1, 1_000)
        ledger.store()

    with pytest.raises(DuplicateKey):
        bank.database.write(lambda tx: enter_twice(Ledger(tx, ["ann"])))
    assert bank.balances() == {"ann": 1_000}
