"""Callbacks that proved nothing are kept within bounds."""

from makegood.shop.payments import contracts
from makegood.shop.payments.refusals import KEPT, MAX_BODY, Refusal, record_refusals
from tests.unit.payments.desk import Desk


def _page(desk: Desk, after: int | None = None, limit: int = 1_000) -> contracts.RefusedNoticesPage:
    request = contracts.ListRefusedNotices(after, limit)
    return desk.database.read(lambda reader: desk.service.list_refusals(reader, [request]))[0]


async def test_a_flood_is_answered_and_not_written(desk: Desk) -> None:
    """At most 60 a minute are written down; all are refused; the next minute begins anew."""
    for _ in range(100):
        assert (await desk.notify(b"nonsense")).status == 400
    assert len(_page(desk).notices) == 60
    desk.world.advance(60_000)
    await desk.notify(b"nonsense")
    assert len(_page(desk).notices) == 61


def test_the_newest_are_kept(desk: Desk) -> None:
    """There are never more than ten thousand, and the oldest go first."""
    for _ in range(3):
        batch = [Refusal("testpay", "malformed", "", b"") for _ in range(KEPT // 2 + 1)]
        desk.commit(lambda tx, batch=batch: record_refusals(tx, batch))
    numbers: list[int] = []
    after: int | None = None
    while notices := _page(desk, after).notices:
        numbers.extend(notice.refusal_id for notice in notices)
        after = numbers[-1]
    newest = 3 * (KEPT // 2 + 1)
    assert numbers == list(range(newest, newest - KEPT, -1))


def test_bodies_are_cut(desk: Desk) -> None:
    """Of a body only the beginning is kept."""
    desk.commit(lambda tx: record_refusals(tx, [Refusal("testpay", "too_large", "x" * 9_999, b"y" * 99_999)]))
    [notice] = _page(desk).notices
    assert len(notice.body) == MAX_BODY
    assert len(notice.detail) == 500


def test_old_ones_are_forgotten(desk: Desk) -> None:
    """After 90 days they go, and numbering goes on where a newer one stands."""
    desk.commit(lambda tx: record_refusals(tx, [Refusal("testpay", "malformed", "", b"")]))
    desk.world.advance(90 * 86_400_000)
    desk.commit(lambda tx: record_refusals(tx, [Refusal("testpay", "malformed", "", b"")]))
    assert desk.commit(lambda tx: desk.service.forget_refusals(tx, 10)) == 1
    assert [one.refusal_id for one in _page(desk).notices] == [2]
