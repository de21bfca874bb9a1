"""The audit finds what is broken, and nothing else."""

import pytest

from makegood.shop.accounts import audit as accounts_audit
from tests.unit.accounts.bank import Bank


def _spent() -> Bank:
    bank = Bank(ann=1_000, bob=500, cid=0, dan=70)
    for order_id, user, amount in ((1, "ann", 100), (2, "bob", 200), (3, "bob", 301), (4, "ann", 40)):
        bank.take(order_id, user, amount)
    bank.cancel(4, 5)
    assert bank.findings() == []
    assert bank.balances() == {"ann": 900, "bob": 300, "cid": 0, "dan": 70}
    return bank


@pytest.mark.parametrize(
    ("corruption", "subjects"),
    [
        ("UPDATE accounts SET balance = balance + 1 WHERE user = 'ann'", ["ann"]),
        ("UPDATE accounts SET loaded = loaded + 1 WHERE user = 'dan'", ["dan"]),
        ("UPDATE accounts SET balance = -1 WHERE user = 'cid'", ["cid", "cid"]),
        ("DELETE FROM accounts WHERE user = 'cid'", []),
        ("DELETE FROM accounts WHERE user = 'dan'", ["dan"]),
        ("DELETE FROM accounts WHERE user = 'bob'", ["bob", "bob"]),
        ("DELETE FROM entries WHERE source = 'order:2'", ["bob", "bob"]),
        ("DELETE FROM entries WHERE source = 'return:4'", ["ann", "ann"]),
        ("DELETE FROM entries WHERE source = 'load:1' AND user = 'dan'", ["dan", "dan"]),
        ("UPDATE entries SET amount = -201 WHERE source = 'order:2'", ["bob", "bob"]),
        ("INSERT INTO entries VALUES ('cid', 'order:2', 0, 0)", ["cid"]),
        ("INSERT INTO entries VALUES ('cid', 'order:2', -200, 0)", ["cid", "cid"]),
        ("INSERT INTO entries VALUES ('cid', 'order:3', 0, 0)", ["cid"]),
        ("INSERT INTO entries VALUES ('cid', 'order:77', 0, 0)", ["cid"]),
        ("INSERT INTO entries VALUES ('bob', 'return:2', 0, 0)", ["bob"]),
        ("UPDATE reservations SET state = 'RETURNED' WHERE order_id = 2", ["bob"]),
        ("UPDATE reservations SET state = 'TAKEN' WHERE order_id = 4", ["ann"]),
        ("DELETE FROM reservations WHERE order_id = 2", ["bob"]),
    ],
)
def test_corruption_is_found(corruption: str, subjects: list[str]) -> None:
    """Each thing that could go wrong with a balance, an entry or a reservation is found."""
    bank = _spent()
    bank.corrupt(corruption)
    assert [finding.subject for finding in bank.findings()] == subjects


def test_balance_changed_on_both_sides_is_found() -> None:
    """A balance and an entry that agree with each other, but with no order, are found."""
    bank = _spent()
    bank.corrupt("UPDATE accounts SET balance = balance + 5 WHERE user = 'bob'")
    bank.corrupt("UPDATE entries SET amount = amount + 5 WHERE source = 'order:2'")
    [finding] = bank.findings()
    assert finding.detail == "entry order:2 is -195 fen, not -200 of bob"


def test_audit_streams_over_pages() -> None:
    """Accounts and entries of many pages meet; the orders that hold something come by id."""
    bank = Bank()
    bank.take_in(**{f"user{number}": 1_000 for number in range(1_100)})
    orders = range(1, 2_201)
    for start in range(0, len(orders), 200):
        batch = orders[start : start + 200]
        bank.deduct(*(bank.request(id, f"user{id % 1_100}", 7) for id in batch))
    bank.cancel(2, 1_001)
    [checked] = bank.database.read(accounts_audit.audit)
    assert (checked.examined, checked.count) == (1_100, 0)
    expected = [id for id in orders if id not in (2, 1_001)]
    assert bank.database.read(lambda reader: list(accounts_audit.held(reader))) == expected
    assert bank.database.read(lambda reader: list(accounts_audit.held(reader, 2_199))) == [2_200]
