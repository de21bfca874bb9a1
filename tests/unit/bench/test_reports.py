"""Reports: what counts as failed, how they are kept, and how they get into a document."""

import re
from collections import Counter
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from makegood.bench import callbacks, orders
from makegood.bench.cases import Case
from makegood.bench.documents import markdown, read_report, write_into
from makegood.bench.errors import BenchError
from makegood.bench.generator import Driven
from makegood.bench.measuring import different
from makegood.bench.plan import RowsSeen
from makegood.bench.plots import draw
from makegood.bench.results import (
    AnswersAlone,
    CallbacksReport,
    CallbacksResult,
    Cost,
    HttpFloor,
    Machine,
    OrdersReport,
    OrdersResult,
    SqlFloor,
    Timing,
)
from makegood.bench.tables import show_callbacks, show_orders

MACHINE = Machine(2, "a processor", "3.11.2", 0.5)
COST = Cost(300.0, 30.0, 9_000.0, 2**27, {"orders.Open": 50.0}, {"orders": 3.0}, {"orders": 0.1})
TIMING = Timing(3.0, 2_000.0, 12.5, 40.0, 1_234, 5.67)
SQL = SqlFloor(1_000, 9_000.0, 60.0, {"orders": 3.0}, {"orders": 0.1})
HTTP = HttpFloor(15_000.0, 50.0, 20.0, 9.5)
ALONE = AnswersAlone(5_000.0, 20.0, 100.0)


def result(buyers: int, history: int = 0, failures: list[str] | None = None) -> OrdersResult:
    """A case's result."""
    case = Case(buyers, "spread", 1, False)
    answers = {"201": 6_000}
    return OrdersResult(case, history, 6_000, TIMING, answers, {"confirmed": 6_000}, COST, SQL, HTTP, failures or [])


def report(*results: OrdersResult) -> OrdersReport:
    """A report of orders."""
    return OrdersReport(MACHINE, "2026-01-01T00:00:00Z", 60.0, list(results))


def callbacks_report() -> CallbacksReport:
    """A report of callbacks."""
    results = [
        CallbacksResult(number, 4_000, TIMING, {"200": 4_000}, {"captured": 4_000}, COST, HTTP, SQL, HTTP, ALONE, [])
        for number in (1, 64)
    ]
    return CallbacksReport(MACHINE, "2026-01-01T00:00:00Z", 60.0, results)


def driven(statuses: dict[int, int], body: bytes = b"{}") -> Driven:
    """A run with these answers."""
    return Driven(statuses=Counter(statuses), examples={status: [body] for status in statuses})


def test_right_answers_are_no_failure() -> None:
    """Orders answered as the case says, and stored as they were answered."""
    spread, sold_out = Case(8, "spread", 1, False), Case(8, "sold-out", 1, False)
    assert orders.failures(spread, driven({201: 9}), {"confirmed": 9}, ran_out=False) == []
    assert orders.failures(sold_out, driven({409: 9}), {"out_of_stock": 9}, ran_out=False) == []
    assert callbacks.failures(driven({200: 9}, b"success"), {"captured": 9, "points": 9}) == []


def test_wrong_answers_are_failures() -> None:
    """Another status, another refusal, an answer that is not stored, and coupons that ran out are each said."""
    case = Case(8, "spread", 1, False)
    [wrong] = orders.failures(case, driven({201: 8, 503: 1}), {"confirmed": 8}, ran_out=False)
    assert "1 answers were 503, not 201" in wrong
    [lost] = orders.failures(case, driven({201: 9}), {"confirmed": 8}, ran_out=False)
    assert "9 orders were answered 201, 8 stored so" in lost
    sold_out = Case(8, "sold-out", 1, False)
    [other] = orders.failures(sold_out, driven({409: 9}), {"price_changed": 9}, ran_out=False)
    assert "9 orders were answered 409, 0 stored so" in other
    [ended] = orders.failures(case, driven({201: 9}), {"confirmed": 9}, ran_out=True)
    assert "coupons ran out" in ended
    assert len(callbacks.failures(driven({200: 8, 400: 1}, b"failure"), {"captured": 8})) == 2
    [twice] = callbacks.failures(driven({200: 9}, b"success"), {"captured": 9, "points": 10})
    assert twice == "9 callbacks succeeded, 10 points"


def test_a_floor_that_did_other_work_is_a_failure() -> None:
    """A floor must have written the shop's rows, but for rounding."""
    seen = RowsSeen(10, {"orders": {"orders": {"insert": 30}}}, {}, {}, {}, {})
    assert different(seen, SQL) == []
    [other] = different(seen, SqlFloor(1_000, 9_000.0, 60.0, {"orders": 2.9}, {"orders": 0.1}))
    assert "2.900 rows each in orders, the shop 3.000" in other


def test_a_report_is_ok_without_failures() -> None:
    """One failure anywhere makes the whole report fail."""
    assert report(result(1), result(8)).ok
    assert not report(result(1), result(8, failures=["an answer was wrong"])).ok


def test_sums_of_a_result() -> None:
    """What is neither rows nor HTTP is the rest, and the ratio is to both floors together."""
    one = result(8)
    assert (one.rest_us, round(one.ratio, 3)) == (190.0, round(300 / 110, 3))
    [callback, _] = callbacks_report().results
    assert (callback.cpu_ratio, callback.speed_ratio) == (6.0, 7.5)
    assert (callback.alone_cpu_ratio, callback.alone_speed_ratio) == (2.0, 3.0)


@pytest.mark.parametrize("made", [report(result(1), result(8)), callbacks_report()], ids=["orders", "callbacks"])
def test_reports_survive_their_file(tmp_path: Path, made: OrdersReport | CallbacksReport) -> None:
    """What was written is read again as it was."""
    file = tmp_path / "report.json"
    file.write_bytes(msgspec.json.encode(made))
    assert read_report(file) == made


@pytest.mark.parametrize(
    "content", [b"{}", b"no JSON", b'{"bench":"orders","format":99}', b'{"bench":"orders","format":2}']
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no report, or of another version, is refused with what to do."""
    file = tmp_path / "report.json"
    file.write_bytes(content)
    with pytest.raises(BenchError, match="--output"):
        read_report(file)


def test_tables_get_into_the_document(tmp_path: Path) -> None:
    """Each report replaces the text between its own marks, again and again; other text stays."""
    document = tmp_path / "bench.md"
    marks = "".join(
        f"# {name}\n<!-- bench {name} -->\nold\n<!-- end -->\n" for name in ("orders", "history", "callbacks")
    )
    document.write_text(marks)
    reports = [report(result(1), result(8)), report(result(8), result(8, history=1_000)), callbacks_report()]
    write_into(document, reports)
    once = document.read_text()
    write_into(document, reports)
    assert document.read_text() == once
    assert "old" not in once
    assert [markdown(one) in once for one in reports] == [True] * 3
    assert re.findall("^# .*", once, re.MULTILINE) == ["# orders", "# history", "# callbacks"]
    assert "1,000 orders before" in once


@pytest.mark.parametrize("made", [report(result(1)), callbacks_report()], ids=["orders", "callbacks"])
def test_what_was_left_to_do_is_in_the_tables(made: OrdersReport | CallbacksReport) -> None:
    """Beside the answers a second stand the messages that waited when sending ended, and the seconds they took."""
    console = Console(record=True, width=300, file=StringIO())
    if isinstance(made, OrdersReport):
        show_orders(made, console)
    else:
        show_callbacks(made, console)
    for table in (markdown(made), console.export_text()):
        assert re.search(r"backlog\W+drain s", table)
        assert re.search(r"40\.0\W+1,234\W+5\.7\W", table)


def test_a_document_without_marks(tmp_path: Path) -> None:
    """A document that has no place for a report is left alone, and the marks it needs are named."""
    document = tmp_path / "bench.md"
    document.write_text("nothing here\n")
    with pytest.raises(BenchError, match="<!-- bench callbacks -->"):
        write_into(document, [callbacks_report()])
    assert document.read_text() == "nothing here\n"


def test_plots(tmp_path: Path) -> None:
    """Reports with several numbers of buyers or connections are drawn, the same figures always alike."""
    for made, name in ((report(result(1), result(8)), "bench-orders.svg"), (callbacks_report(), "bench-callbacks.svg")):
        assert draw(made, tmp_path) == tmp_path / name
        first = (tmp_path / name).read_bytes()
        assert b"<svg" in first
        draw(made, tmp_path)
        assert (tmp_path / name).read_bytes() == first
    assert draw(report(result(8)), tmp_path) is None
