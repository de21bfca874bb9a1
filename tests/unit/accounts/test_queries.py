"""Looking at accounts and at reservations."""

from makegood.shop.accounts.contracts import Account, FindAccount
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from tests.unit.accounts.bank import Bank


def test_find_accounts() -> None:
    """Known users have their balance, unknown ones do not exist; repeats are answered each."""
    bank = Bank(ann=1_000, bob=0)
    requests = [FindAccount(user) for user in ("bob", "zoe", "ann", "ann")]
    found = bank.database.read(lambda reader: bank.accounts.find(reader, requests))
    ann = Account("ann", 1_000, exists=True)
    assert found == [Account("bob", 0, exists=True), Account("zoe", 0, exists=False), ann, ann]


def test_reservation_of_an_order() -> None:
    """The timeline sees what an order took; of an unknown order it sees nothing."""
    bank = Bank(ann=1_000)
    bank.take(1, "ann", 300)
    requests = [ReservationOf(1), ReservationOf(2)]
    held, unknown = bank.database.read(lambda reader: bank.accounts.reservation(reader, requests))
    assert (held.state, held.taken, held.answer) == ("TAKEN", '{"user":"ann","amount":300}', '{"refusal":""}')
    assert unknown == ReservationFound()
