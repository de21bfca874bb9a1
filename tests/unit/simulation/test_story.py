"""The story of a world, from traces written by hand."""

from makegood.simulation import story
from makegood.simulation.faults import Fault, Injected
from makegood.simulation.trace import Noted

ORDER, PAYMENT, OTHER, EVENT = "722104801919238144", "722104802212839424", "722104804444444444", "722104801936015360"
TRACE = (
    Noted(0.1, "shop-1#1", "starts", ""),
    Noted(0.1, "stock-1#1", "starts", ""),
    Noted(0.2, "buyer-2", "asks front-1", "orders.Place PlaceOrder(user='buyer-2', key='key-2-0', balance=0)"),
    Noted(0.3, "buyer-3", "asks front-1", "orders.Place PlaceOrder(user='buyer-3', key='key-3-0', balance=0)"),
    Noted(0.4, "shop-1#1", "commits", "orders"),
    Noted(0.5, "buyer-2", "hears", f"orders.Place Placed(outcome='confirmed', order=Order(order_id={ORDER}))"),
    Noted(0.6, "buyer-3", "hears", f"orders.Place Placed(outcome='confirmed', order=Order(order_id={OTHER}))"),
    Noted(0.7, "shop-1#1", "publishes", f'orders confirmed 1 [{{"id":"{EVENT}","data":{{"order_id":{ORDER}}}}}]'),
    Noted(0.8, "shop-1#1", "lists", f"Order(order_id={ORDER}), Order(order_id={OTHER})"),
    Noted(0.9, "shop-1#1", "opens", f"Payment(payment_id={PAYMENT}, order_id={ORDER})"),
    Noted(1.0, "shop-1#1", "dies", "where it waits"),
    Noted(1.1, "stock-1#1", "dies", "where it waits"),
    Noted(1.2, "journal on shop-1#2", "receives", f'[{{"data":{{"payment_id":{PAYMENT}}}}}]'),
    Noted(1.3, "shop-1#2", "fails", "KeyError()"),
)


def about(*texts: str, injected: tuple[Injected, ...] = ()) -> list[tuple[str, str]]:
    """Who did what in the story about these texts."""
    return [(line.who, line.what) for line in story.tell(TRACE, injected, texts).lines]


BUYERS_ORDER = [
    ("shop-1#1", "starts"),
    ("buyer-2", "asks front-1"),
    ("buyer-2", "hears"),
    ("shop-1#1", "publishes"),
    ("shop-1#1", "lists"),
    ("shop-1#1", "opens"),
    ("shop-1#1", "dies"),
    ("journal on shop-1#2", "receives"),
]


def test_a_key_brings_in_its_order_and_the_orders_payment() -> None:
    """From a key the story finds the order that was answered, its events and payment, and its machine's death."""
    assert about("buyer-2 key-2-0") == BUYERS_ORDER


def test_every_id_of_an_order_tells_the_same_story() -> None:
    """Wherever one begins, with the order's id, its payment's or its event's, the story is the same."""
    assert about(ORDER) == about(PAYMENT) == about(f"event {EVENT} twice") == BUYERS_ORDER


def test_a_note_about_several_orders_brings_in_none() -> None:
    """What lists two orders belongs to both stories, and does not make one of them."""
    lines = about(OTHER)
    assert ("shop-1#1", "lists") in lines
    assert ("buyer-2", "hears") not in lines


def test_a_name_stands_for_what_its_owner_did() -> None:
    """Without an id, a buyer's name tells all that the buyer did."""
    assert {who for who, _ in about("buyer-3")} >= {"buyer-3"}
    assert "buyer-2" not in {who for who, _ in about("buyer-3")}


def test_what_nobody_knows_tells_of_all_that_failed() -> None:
    """A subject without any id is told by what failed."""
    assert about("a bug") == [("shop-1#1", "dies"), ("shop-1#2", "fails")]


def test_few_faults_all_belong_to_the_story() -> None:
    """The faults of a small world stand in the story, at their time."""
    lost = Injected(Fault.REPLY_LOST, 7, 0.45, "front-1 to buyer-2: orders.Place 4")
    lines = story.tell(TRACE, (lost,), [ORDER]).lines
    assert [line.who for line in lines][1:4] == ["buyer-2", "fault", "buyer-2"]
    assert next(line for line in lines if line.who == "fault").what == "reply_lost-7"


def test_of_many_faults_only_those_at_its_machines_belong() -> None:
    """Where much failed, the story names what failed at its own machines, in its own time."""
    elsewhere = tuple(Injected(Fault.READ_LOST, number, 0.5, "stock of stock-1#1") for number in range(30))
    here = Injected(Fault.COMMIT_LOST, 1, 0.5, "orders of shop-1#1")
    lines = story.tell(TRACE, (*elsewhere, here), [ORDER]).lines
    assert [line.what for line in lines if line.who == "fault"] == ["commit_lost-1"]


def test_a_long_story_keeps_its_beginning_and_its_end() -> None:
    """Of too many lines the middle is left out, and the story says so."""
    trace = [Noted(float(at), "buyer-1", "asks shop", f"orders.Find FindOrder(order_id={ORDER})") for at in range(500)]
    told = story.tell(trace, (), [ORDER], most=20)
    assert told.left_out == 480
    assert len(told.lines) == 21
    assert (told.lines[0].at, told.lines[-1].at) == (0.0, 499.0)


def test_a_detail_is_shortened() -> None:
    """Lines, histories and empty fields of a struct are not shown."""
    detail = "Order(order_id=5, lines=(Line(sku='a', quantity=1), Line(sku='b')), coupon_id=None, balance=0, due=7)"
    assert story.shortened(detail) == "Order(order_id=5, lines: …, due=7)"
    assert len(story.shortened("x" * 1_000)) == story.WIDTH


def test_the_end_of_a_trace() -> None:
    """Of a world that was stopped, the last notes are shown."""
    assert story.ending(TRACE, 2) == story.Story(TRACE[-2:], len(TRACE) - 2)
