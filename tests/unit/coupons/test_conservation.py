"""Whatever comes in whatever order, a coupon is held by at most one order, and the audit agrees."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.coupons.wallet import NOW, Wallet, coupon

ORDERS = st.integers(1, 7)
REQUESTS = st.tuples(ORDERS, st.sampled_from(["c1", "c2", "c3"]), st.sampled_from(["ann", "ann", "bob"]))
STEPS = st.one_of(
    st.tuples(st.just("use"), st.lists(REQUESTS, min_size=1, max_size=6)),
    st.tuples(st.just("cancel"), st.lists(ORDERS, min_size=1, max_size=4)),
    st.tuples(st.just("refund"), st.lists(ORDERS, min_size=1, max_size=4)),
    st.tuples(st.just("wait"), st.integers(0, 4_000)),
)


class Book:
    """What an outsider knows from the answers alone."""

    def __init__(self) -> None:
        self.wallet = Wallet(coupon("c1"), coupon("c2", "bob"), coupon("c3", valid_until=NOW + 3_000))
        self.deadline = NOW + 5_000
        self.answers: dict[int, tuple[str, int]] = {}
        self.holders: dict[str, int] = {}
        self.cancelled: set[int] = set()

    def use(self, requests: list[tuple[int, str, str]]) -> None:
        """A batch: an order answers for ever as it did the first time, and no coupon is given twice."""
        late = self.wallet.world.now() > self.deadline + 2_000
        batch = [self.wallet.request(id, coupon_id, user, deadline=self.deadline) for id, coupon_id, user in requests]
        for (id, coupon_id, user), answer in zip(requests, self.wallet.use(*batch), strict=True):
            if id not in self.answers:
                self.answers[id] = (answer.refusal, answer.discount)
                assert (answer.refusal == "cancelled") == (late or id in self.cancelled)
                if not answer.refusal:
                    assert coupon_id not in self.holders
                    assert user == {"c1": "ann", "c2": "bob", "c3": "ann"}[coupon_id]
                    assert coupon_id != "c3" or self.wallet.world.now() < NOW + 3_000
                    self.holders[coupon_id] = id
            assert (answer.refusal, answer.discount) == self.answers[id]

    def give_back(self, step: str, ids: list[int]) -> None:
        """A batch of cancels or refunds."""
        self.wallet.cancel(*ids) if step == "cancel" else self.wallet.refund(*ids)
        self.cancelled.update(ids)
        self.holders = {coupon_id: id for coupon_id, id in self.holders.items() if id not in ids}


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_coupons_are_conserved(steps: list[tuple[str, object]]) -> None:
    """Any sequence of uses, repeats, cancels, refunds and late uses leaves each coupon with its one holder."""
    book = Book()
    for step, what in steps:
        match step, what:
            case "use", list():
                book.use(what)
            case "wait", int():
                book.wallet.world.advance(what)
            case _, list():
                book.give_back(step, what)
            case _:
                raise AssertionError(step)
        assert book.wallet.holders() == book.holders
        assert book.wallet.findings() == []
