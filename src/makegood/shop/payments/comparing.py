"""The course of a reconciliation: the bill is fetched, its lines are compared, what stands on no bill is looked for.

Every step is a transaction that also writes how far it came, so that a run that dies goes on where it stopped, and a
step that somebody else has taken is not taken twice. A run of the task takes as many steps as it has time for.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import text_of
from makegood.engine.service import Engine
from makegood.shop.payments.bill_days import UNKNOWN, date_of
from makegood.shop.payments.gateways.port import Gateway, GatewayError, GatewayUnavailable
from makegood.shop.payments.reconciling import (
    CHUNK,
    Kind,
    Numbered,
    Part,
    Reconcile,
    Rest,
    bill_name,
    look_for_rest,
    match_lines,
    numbered,
    settle_earlier,
)
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import RECONCILIATIONS, ReconciliationRow

COMPARING = 10_000
"""Milliseconds after which a run of the task leaves the rest to the next: with fetching it has less than 50 s."""
STEP = 5.0
"""Seconds that one step may take."""
AGAIN = 600.0
"""Seconds until a bill that is not ready is asked for again."""
SOON = 60.0
"""Seconds until a run that failed is tried again."""
LOOKS: tuple[tuple[Kind, int | None], ...] = (
    ("payment", -1),
    ("payment", 0),
    ("payment", None),
    ("refund", -1),
    ("refund", 0),
)
"""What is looked for when the lines are compared: how many days from the bill's own; None for an unknown day."""
LINES, SETTLE, END = 0, len(LOOKS) + 1, len(LOOKS) + 2
"""Stages of a reconciliation: the lines, each of `LOOKS`, what earlier runs listed; then it is through."""

log = logging.getLogger(__name__)


class Compared(msgspec.Struct, frozen=True):
    """What a run of the task came to: whether the whole bill is compared, or why not, and in how many s to go on."""

    finished: bool
    error: str = ""
    again: float | None = None


class Position(msgspec.Struct, frozen=True):
    """How far a reconciliation is: its stage, lines compared, and behind which row the stage goes on."""

    stage: int
    lines: int
    behind: int | None


class Step(msgspec.Struct, frozen=True):
    """The step from a position; `lines` are the next ones of a bill that has `total`, `asked_for` is a Part's."""

    job: Reconcile
    position: Position
    lines: tuple[Numbered, ...]
    total: int
    asked_for: int


async def run(engine: Engine, gateway: Gateway | None, settings: PaymentsSettings, job: Reconcile) -> Compared:
    """Goes on with a reconciliation for as long as a task has; a failure is told by what it returns."""
    if gateway is None:
        channel = f"the channel {job.channel!r} is not configured any more"
        return Compared(finished=False, error=f"{channel}: configure it, then compare this bill again")
    try:
        return await _go_on(engine, gateway, settings, job)
    except GatewayUnavailable as error:
        return Compared(finished=False, error=str(error), again=AGAIN)
    except GatewayError as error:
        return Compared(finished=False, error=str(error))
    except Exception as error:
        log.exception("the bill of %s, day %d, is compared again later", job.account, job.day)
        return Compared(finished=False, error=f"{type(error).__name__}: {text_of(error)}", again=SOON)


def take_steps(tx: Transaction, steps: Sequence[Step]) -> list[Position | None]:
    """Takes each step that nobody has taken; where each reconciliation is then, None if this run is nobody's now."""
    return [_take(tx, step) for step in steps]


def positions(reader: Reader, jobs: Sequence[Reconcile]) -> list[Position | None]:
    """How far each is; None for a run that is nobody's any more, for it has ended or was begun anew."""
    names = [bill_name(job.account, job.day) for job in jobs]
    rows = {row.bill: row for row in reader.select_by(RECONCILIATIONS, "bill", names)}
    return [_position(rows.get(name), job) for name, job in zip(names, jobs, strict=True)]


def lock_running(tx: Transaction, job: Reconcile) -> ReconciliationRow | None:
    """The reconciliation of this run, None when the run is nobody's any more."""
    ids = [row.reconciliation_id for row in tx.select_by(RECONCILIATIONS, "bill", [bill_name(job.account, job.day)])]
    row = next(iter(tx.lock(RECONCILIATIONS, ids).values()), None)
    return row if _position(row, job) else None


async def _go_on(engine: Engine, gateway: Gateway, settings: PaymentsSettings, job: Reconcile) -> Compared:
    [position] = await engine.read(positions, [job])
    lines: tuple[Numbered, ...] = ()
    if position is not None and position.stage == LINES:
        lines = await _fetched(engine, gateway, settings, job)
    until = engine.now() + COMPARING
    asked_for = int(settings.give_up_asking * 1000)
    while position is not None and position.stage < END:
        if engine.now() >= until:
            return Compared(finished=False, again=0.0)
        some = lines[position.lines : position.lines + CHUNK]
        step = Step(job, position, some, len(lines), asked_for)
        [position] = await engine.write(take_steps, [step], Deadline.after(STEP))
    return Compared(finished=True)


async def _fetched(
    engine: Engine, gateway: Gateway, settings: PaymentsSettings, job: Reconcile
) -> tuple[Numbered, ...]:
    try:
        async with asyncio.timeout(settings.bill_timeout):
            lines = await gateway.bill(date_of(job.day))
    except TimeoutError as error:
        late = f"the bill did not come within {settings.bill_timeout:g} s: it is asked for again"
        raise GatewayUnavailable(late) from error
    return await engine.compute(partial(numbered, lines))


def _take(tx: Transaction, step: Step) -> Position | None:
    row = lock_running(tx, step.job)
    if row is None:
        return None
    if _at(row) == step.position:
        if row.stage == LINES:
            _compare_lines(tx, row, step)
        elif row.stage == SETTLE:
            _leave(row, settle_earlier(tx, step.job, row.behind))
        else:
            _look(tx, row, step.job)
        tx.update(RECONCILIATIONS, [row])
    return _at(row)


def _compare_lines(tx: Transaction, row: ReconciliationRow, step: Step) -> None:
    row.differences += match_lines(tx, Part(step.job, step.lines, step.asked_for))
    final = [one.line for one in step.lines if one.line.final]
    row.captured += sum(line.amount for line in final if line.kind == "payment")
    row.refunded += sum(line.amount for line in final if line.kind == "refund")
    row.lines += len(step.lines)
    if row.lines >= step.total:
        row.stage += 1


def _look(tx: Transaction, row: ReconciliationRow, job: Reconcile) -> None:
    kind, away = LOOKS[row.stage - 1]
    looked = look_for_rest(tx, Rest(job, kind, UNKNOWN if away is None else job.day + away, row.behind))
    row.differences += looked.differences
    _leave(row, looked.after)


def _leave(row: ReconciliationRow, after: int | None) -> None:
    """Goes on behind the row `after`, or, when there is none, with the next stage."""
    row.behind = after
    if after is None:
        row.stage += 1


def _position(row: ReconciliationRow | None, job: Reconcile) -> Position | None:
    return _at(row) if row is not None and row.run == job.run and row.state == "RUNNING" else None


def _at(row: ReconciliationRow) -> Position:
    return Position(row.stage, row.lines, row.behind)
