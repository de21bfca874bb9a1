"""Lines of the log for a log store."""

import asyncio
import logging
import re
from datetime import datetime

import pytest

from makegood.engine import tracing
from makegood.observe import ObserveSettings, set_up
from makegood.observe.logs import LONGEST
from makegood.shop.orders.steps import Settle
from tests.support.virtual_time import VirtualWorld, run
from tests.unit.engine.tills import Shop
from tests.unit.observe.log_lines import log_lines

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
log = logging.getLogger("makegood.tests")


def test_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is an object with time, level, logger, message and process, whatever the message has in it."""
    set_up(ObserveSettings(logs="json"), "orders-1")
    log.warning("two\nlines and a \x00 of %s", "Zoë")
    log.info("not important enough")
    [line] = log_lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "warning",
        "logger": "makegood.tests",
        "message": "two\nlines and a \x00 of Zoë",
        "process": "orders-1",
    }


def test_ids_from_the_context_and_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    """A line has the trace and the ids of what the code is about; those that the call gives win."""
    set_up(ObserveSettings(logs="json", level="info"), "p")
    with tracing.using(GOOD), tracing.about(Settle(7, "", 0, ())):
        log.info("inside")
        log.info("of another", extra={"order_id": 8, "trace_id": ""})
    log.info("outside", extra={"payment_id": 9})
    inside, other, outside = log_lines(capsys)
    assert (inside["order_id"], inside["trace_id"]) == ("7", "0af7651916cd43dd8448eb211c80319c")
    assert (other["order_id"], other["trace_id"]) == ("8", "0af7651916cd43dd8448eb211c80319c")
    assert outside["payment_id"] == "9"
    assert "order_id" not in outside
    assert "trace_id" not in outside


def test_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is one field with its traceback, and the line stays one line."""
    set_up(ObserveSettings(logs="json"), "p")
    try:
        int("broken")
    except ValueError:
        log.exception("failed")
    [line] = log_lines(capsys)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("with base 10: 'broken'")


def test_long_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """A message without end is cut in the middle."""
    set_up(ObserveSettings(logs="json"), "p")
    log.warning("begin %s end", "x" * 1_000_000)
    [line] = log_lines(capsys)
    assert len(line["message"]) <= LONGEST
    assert (line["message"][:6], line["message"][-4:]) == ("begin ", " end")


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines for people stay as they are, and have only what is important enough."""
    set_up(ObserveSettings(level="error"), "p")
    log.warning("so so")
    log.error("bad")
    assert re.fullmatch(r"[\d :,-]+ ERROR makegood\.tests: bad\n", capsys.readouterr().err)


def test_a_poisonous_request(capsys: pytest.CaptureFixture[str]) -> None:
    """The engine says which request and which trace a bug befell, in a batch with others."""
    set_up(ObserveSettings(logs="json"), "p")

    async def scenario(world: VirtualWorld) -> None:
        shop = Shop(world)
        await shop.host.start()
        shop.till.poison = (2,)
        tracing.enter(GOOD)
        await shop.take(1, 2, 3)
        await shop.host.stop()

    run(scenario)
    [line] = log_lines(capsys)
    assert (line["number"], line["trace_id"]) == ("2", "0af7651916cd43dd8448eb211c80319c")
    assert "ValueError: 2 is poison" in line["exception"]


def test_tasks_that_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """What durable work logs, and that it failed, tells what it was about."""
    set_up(ObserveSettings(logs="json"), "p")

    async def scenario(world: VirtualWorld) -> None:
        shop = Shop(world)
        shop.till.printer = _failing
        await shop.host.start()
        await shop.take(5, printed=True)
        await asyncio.sleep(0.5)
        await shop.host.stop()

    run(scenario)
    inside, outside = log_lines(capsys)
    assert (inside["message"], inside["number"]) == ("no paper", "5")
    assert (outside["logger"], outside["number"]) == ("makegood.engine.tasks", "5")


def _failing(number: int) -> None:
    log.error("no paper")
    raise OSError(number)
