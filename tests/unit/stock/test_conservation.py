"""Whatever comes in whatever order, no piece is lost, none is sold twice, and the audit agrees."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.stock.stockroom import Stockroom, good, line

LOADED = {"a": 3, "b": 5, "c": 7}
ORDERS = st.integers(1, 7)
LINES = st.dictionaries(st.sampled_from("aaabbbcccx"), st.integers(1, 3), min_size=1, max_size=3)
REQUESTS = st.tuples(ORDERS, st.sampled_from(["ann", "bob"]), LINES, st.sampled_from([100] * 9 + [99]))
STEPS = st.one_of(
    st.tuples(st.just("deduct"), st.lists(REQUESTS, min_size=1, max_size=6)),
    st.tuples(st.just("cancel"), st.lists(ORDERS, min_size=1, max_size=4)),
    st.tuples(st.just("refund"), st.lists(ORDERS, min_size=1, max_size=4)),
    st.tuples(st.just("wait"), st.integers(0, 4_000)),
)


class Book:
    """What an outsider knows from the answers alone."""

    def __init__(self) -> None:
        self.room = Stockroom(good("a", LOADED["a"], limit=2), good("b", LOADED["b"], limit=4), good("c", LOADED["c"]))
        self.deadline = self.room.world.now() + 5_000
        self.answers: dict[int, str] = {}
        self.taken: dict[int, tuple[str, dict[str, int]]] = {}
        self.cancelled: set[int] = set()

    def deduct(self, requests: list[tuple[int, str, dict[str, int], int]]) -> None:
        """A batch: an order answers for ever as it did the first time."""
        late = self.room.world.now() > self.deadline + 2_000
        batch = [
            self.room.request(id, *(line(sku, n, price) for sku, n in lines.items()), user=user, deadline=self.deadline)
            for id, user, lines, price in requests
        ]
        for (id, user, lines, _), answer in zip(requests, self.room.deduct(*batch), strict=True):
            if id not in self.answers:
                self.answers[id] = answer
                assert (answer == "cancelled") == (late or id in self.cancelled)
                if not answer:
                    self.taken[id] = (user, lines)
            assert answer == self.answers[id]

    def give_back(self, step: str, ids: list[int]) -> None:
        """A batch of cancels or refunds."""
        self.room.cancel(*ids) if step == "cancel" else self.room.refund(*ids)
        for id in ids:
            self.cancelled.add(id)
            self.taken.pop(id, None)

    def check(self) -> None:
        """On hand is what was loaded less what orders hold, and nobody has more than the limit."""
        held, bought = Counter[str](), Counter[tuple[str, str]]()
        for user, lines in self.taken.values():
            held.update(lines)
            bought.update({(user, sku): n for sku, n in lines.items() if sku != "c"})
        on_hand = self.room.on_hand()
        assert on_hand == {sku: LOADED[sku] - held[sku] for sku in LOADED}
        assert min(on_hand.values()) >= 0
        assert self.room.bought() == dict(bought)
        assert all(n <= {"a": 2, "b": 4}[sku] for (_, sku), n in bought.items())
        assert self.room.findings() == []


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_stock_is_conserved(steps: list[tuple[str, object]]) -> None:
    """Any sequence of deducts, repeats, cancels, refunds and late deducts conserves stock and limits."""
    book = Book()
    for step, what in steps:
        match step, what:
            case "deduct", list():
                book.deduct(what)
            case "wait", int():
                book.room.world.advance(what)
            case _, list():
                book.give_back(step, what)
            case _:
                raise AssertionError(step)
        book.check()
