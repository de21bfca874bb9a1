"""Whatever comes in whatever order, no fen is lost, none is spent twice, and the audit agrees."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.accounts.bank import Bank

ORDERS = st.integers(1, 7)
REQUESTS = st.tuples(ORDERS, st.sampled_from(["ann", "bob", "zoe"]), st.integers(0, 600))
LOADS = st.dictionaries(st.sampled_from(["ann", "bob"]), st.integers(0, 1_500), min_size=1)
STEPS = st.one_of(
    st.tuples(st.just("deduct"), st.lists(REQUESTS, min_size=1, max_size=6)),
    st.tuples(st.just("cancel"), st.lists(ORDERS, min_size=1, max_size=4)),
    st.tuples(st.just("refund"), st.lists(ORDERS, min_size=1, max_size=4)),
    st.tuples(st.just("load"), LOADS),
    st.tuples(st.just("wait"), st.integers(0, 4_000)),
)


class Book:
    """What an outsider knows from the answers alone."""

    def __init__(self) -> None:
        self.bank = Bank(ann=1_000, bob=500)
        self.loaded = {"ann": 1_000, "bob": 500}
        self.deadline = self.bank.world.now() + 5_000
        self.answers: dict[int, str] = {}
        self.taken: dict[int, tuple[str, int]] = {}
        self.cancelled: set[int] = set()

    def deduct(self, requests: list[tuple[int, str, int]]) -> None:
        """A batch: an order answers for ever as it did the first time."""
        late = self.bank.world.now() > self.deadline + 2_000
        batch = [self.bank.request(*request, deadline=self.deadline) for request in requests]
        for (id, user, amount), answer in zip(requests, self.bank.deduct(*batch), strict=True):
            if id not in self.answers:
                self.answers[id] = answer
                assert (answer == "cancelled") == (late or id in self.cancelled)
                if not answer:
                    self.taken[id] = (user, amount)
            assert answer == self.answers[id]

    def give_back(self, step: str, ids: list[int]) -> None:
        """A batch of cancels or refunds."""
        self.bank.cancel(*ids) if step == "cancel" else self.bank.refund(*ids)
        for id in ids:
            self.cancelled.add(id)
            self.taken.pop(id, None)

    def load(self, totals: dict[str, int]) -> None:
        """A load is taken in unless it is below what somebody has spent."""
        spent = self.spent()
        refused = [user for user, total in totals.items() if total < spent[user]]
        assert len(self.bank.take_in(**totals).problems) == len(refused)
        if not refused:
            self.loaded |= totals

    def spent(self) -> Counter[str]:
        """What orders hold, by user."""
        spent = Counter[str]()
        for user, amount in self.taken.values():
            spent[user] += amount
        return spent

    def check(self) -> None:
        """A balance is what was loaded less what orders hold."""
        spent = self.spent()
        balances = self.bank.balances()
        assert balances == {user: total - spent[user] for user, total in self.loaded.items()}
        assert min(balances.values()) >= 0
        assert self.bank.findings() == []


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_balances_are_conserved(steps: list[tuple[str, object]]) -> None:
    """Any sequence of loads, deducts, repeats, cancels, refunds and late deducts conserves every fen."""
    book = Book()
    for step, what in steps:
        match step, what:
            case "deduct", list():
                book.deduct(what)
            case "load", dict():
                book.load(what)
            case "wait", int():
                book.bank.world.advance(what)
            case _, list():
                book.give_back(step, what)
            case _:
                raise AssertionError(step)
        book.check()
