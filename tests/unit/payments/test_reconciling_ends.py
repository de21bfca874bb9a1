"""A comparison ends: whatever goes wrong is written down, is tried again for a while, and can be begun anew."""

import asyncio
from dataclasses import replace
from datetime import date

from makegood.engine.deadline import Deadline
from makegood.engine.service import TaskResult
from makegood.shop.payments import bill_contracts
from makegood.shop.payments.bill_days import DAY, begin_of, date_of
from makegood.shop.payments.comparing import Position, Step, take_steps
from makegood.shop.payments.gateways.port import BillLine
from makegood.shop.payments.reconciliations import STUCK, UNFINISHED
from makegood.shop.payments.reconciling import RECONCILE_TASK, Reconcile, numbered
from tests.unit.payments.desk import Desk
from tests.unit.payments.platform import Platform
from tests.unit.payments.test_reconciling import HOUR, differences, looked, noon, reconciled


class Broken(Platform):
    """Its bill ends in a bug."""

    async def bill(self, day: date) -> list[BillLine]:
        """Never one."""
        raise KeyError(f"no column {day}")


class Slow(Platform):
    """Its bill takes a minute."""

    async def bill(self, day: date) -> list[BillLine]:
        """At last."""
        await asyncio.sleep(60)
        return await super().bill(day)


async def begun(desk: Desk, day: int) -> bill_contracts.Reconciliation:
    """A comparison that was asked for, and has not run."""
    desk.world.advance(max(0, begin_of(day + 1) + 10 * HOUR - desk.now()))
    wanted = bill_contracts.ReconcileBill("testpay", date_of(day).isoformat())
    answer = await desk.service.reconcile(wanted, Deadline.after(5))
    assert answer.reconciliation is not None
    return answer.reconciliation


def jobs(desk: Desk) -> list[Reconcile]:
    """The comparisons that wait for a worker."""
    return [state.payload for (name, _), state in desk.tasks.items() if name == RECONCILE_TASK.name]


async def test_one_whose_task_was_given_up(desk: Desk) -> None:
    """Who asks for one that is not at work any more has the same run go on from where it stopped."""
    day = noon(desk)
    await desk.paid()
    assert (await begun(desk, day)).run == 1
    desk.tasks.clear()
    assert (await begun(desk, day)).run == 1
    assert len(jobs(desk)) == 1
    assert await desk.work() == 1
    done = await looked(desk, day)
    assert (done.state, done.run, done.lines) == ("DONE", 1, 1)


async def test_a_run_that_comes_again(desk: Desk) -> None:
    """A task that runs once more than it had to, or next to itself, counts no line twice and ends nothing anew."""
    day = noon(desk)
    await desk.paid()
    desk.platform.enter("payment", desk.platform.stranger("77", 500), 500)
    await begun(desk, day)
    [job] = jobs(desk)
    both = await asyncio.gather(*(desk.service.compare_bill(job) for _ in range(2)))
    assert [one.finished for one in both] == [True, True]
    await desk.work()
    done = await looked(desk, day)
    assert (done.lines, done.captured, done.differences, len(differences(desk))) == (2, 10_500, 1, 1)
    desk.world.advance(HOUR)
    again = TaskResult("again", job, await desk.service.compare_bill(job), 1)
    assert desk.commit(lambda tx: desk.service.record_compared(tx, [again])) == [None]
    assert await looked(desk, day) == done


async def test_a_step_that_comes_again(desk: Desk) -> None:
    """A step whose commit was not answered is not taken twice; it says how far the comparison is."""
    day = noon(desk)
    desk.platform.enter("payment", desk.platform.stranger("77", 500), 500)
    await begun(desk, day)
    [job] = jobs(desk)
    step = Step(job, Position(0, 0, None), numbered(desk.platform.ledger), 3, 0)
    for _ in range(2):
        assert desk.commit(lambda tx: take_steps(tx, [step])) == [Position(0, 1, None)]
    one = await looked(desk, day)
    assert (one.state, one.lines, one.captured, one.differences) == ("RUNNING", 1, 500, 1)


async def test_a_run_that_stops_anywhere(desk: Desk) -> None:
    """A database that fails at any step stops the run, which says so and goes on there: nothing is counted twice."""
    day = noon(desk)
    desk.platform.ledger = [BillLine("payment", "", "", f"t{count}", 1, desk.now()) for count in range(600)]
    await begun(desk, day)
    [job] = jobs(desk)
    errors = [await _until_away(desk, job, commits) for commits in (0, 1, 2, 0, 3, 1, 2, 1)]
    assert errors == ["DatabaseUnavailable: the disk is on fire"] * 8
    assert await desk.work() == 1
    done = await looked(desk, day)
    assert (done.state, done.lines, done.captured, done.differences) == ("DONE", 600, 600, 600)
    assert len(differences(desk)) == 600


async def _until_away(desk: Desk, job: Reconcile, commits: int) -> str:
    """Why a run stopped whose database went away behind so many commits."""
    desk.commits_left = commits
    outcome = await desk.service.compare_bill(job)
    desk.commits_left = None
    assert (outcome.finished, outcome.again) == (False, 60.0)
    return outcome.error


async def test_a_bug(desk: Desk) -> None:
    """What nobody foresaw stands in the comparison at once, is tried again every minute, and ends it after two days."""
    day = noon(desk)
    desk.gateways["testpay"] = Broken(desk.world)
    done = await reconciled(desk, day)
    assert (done.state, "KeyError: 'no column" in done.error) == ("RUNNING", True)
    desk.world.advance(60_000)
    assert await desk.work() == 1
    desk.world.advance(2 * DAY)
    assert await desk.work() == 1
    done = await looked(desk, day)
    assert (done.state, "KeyError" in done.error, done.ended_at) == ("FAILED", True, desk.now())
    assert await desk.work() == 0
    desk.gateways["testpay"] = desk.platform
    done = await reconciled(desk, day)
    assert (done.state, done.run, done.error) == ("DONE", 2, "")


async def test_a_bug_that_was_mended(desk: Desk) -> None:
    """The next try ends well, and nothing is said of the error any more."""
    day = noon(desk)
    desk.gateways["testpay"] = Broken(desk.world)
    await reconciled(desk, day)
    desk.gateways["testpay"] = desk.platform
    desk.world.advance(60_000)
    assert await desk.work() == 1
    done = await looked(desk, day)
    assert (done.state, done.run, done.error) == ("DONE", 1, "")


async def test_a_channel_that_is_gone(desk: Desk) -> None:
    """A comparison of a channel that is configured no more fails, and says what to do."""
    day = noon(desk)
    await begun(desk, day)
    del desk.gateways["testpay"]
    assert await desk.work() == 1
    wanted = bill_contracts.ListReconciliations()
    [page] = desk.database.read(lambda reader: desk.service.list_reconciliations(reader, [wanted]))
    [one] = page.reconciliations
    assert (one.state, jobs(desk)) == ("FAILED", [])
    assert one.error == "the channel 'testpay' is not configured any more: configure it, then compare this bill again"


async def test_a_bill_that_takes_too_long(desk: Desk) -> None:
    """Fetching it is given up in time, and it is asked for again ten minutes later."""
    day = noon(desk)
    desk.service.settings = replace(desk.settings, bill_timeout=1.0)
    desk.gateways["testpay"] = Slow(desk.world)
    done = await reconciled(desk, day)
    assert done.error == "the bill did not come within 1 s: it is asked for again"
    assert [state.due_at for state in desk.tasks.values()] == [desk.now() + 600_000]


async def test_one_that_nobody_works_at(desk: Desk) -> None:
    """It is called failed two days later, says so, and may begin anew; those that have ended stay as they are."""
    day = noon(desk)
    await reconciled(desk, day - 1)
    done = await looked(desk, day - 1)
    begun_at = (await begun(desk, day)).began_at
    desk.tasks.clear()
    desk.world.advance(begun_at + STUCK - 1 - desk.now())
    assert desk.commit(lambda tx: desk.service.fail_stuck_reconciliations(tx, 10)) == 0
    desk.world.advance(1)
    assert desk.commit(lambda tx: desk.service.fail_stuck_reconciliations(tx, 10)) == 1
    assert desk.commit(lambda tx: desk.service.fail_stuck_reconciliations(tx, 10)) == 0
    failed = await looked(desk, day)
    assert (failed.state, failed.error, failed.ended_at) == ("FAILED", UNFINISHED, desk.now())
    assert await looked(desk, day - 1) == done
    assert (await reconciled(desk, day)).state == "DONE"
