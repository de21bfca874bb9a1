"""What came of refunds at the platform: told of once they succeeded, listed for a person when they failed, or stick."""

import logging
from collections.abc import Sequence

from makegood.engine.database.transaction import Transaction
from makegood.engine.service import Later, TaskResult
from makegood.shop.payments import contracts
from makegood.shop.payments.bill_days import awaited
from makegood.shop.payments.breaks import Breaks, break_key
from makegood.shop.payments.gateways.port import RefundState
from makegood.shop.payments.recording import RefundJob, refunded, refunds_of
from makegood.shop.payments.refunding import publish_refunded
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import PAYMENTS, REFUNDS, RefundRow

MAX_DETAIL = 2_000
"""Most characters kept of why a refund failed."""
PATIENCE = 3_600.0
"""Seconds after which a refund that the platform refuses for now is listed."""
STUCK_EVERY = 86_400.0
"""Seconds between two questions about a refund that is listed as stuck."""
LAST_QUESTION = 90 * 86_400.0
"""Seconds after which nobody asks about it any more: what became of it is on the platform's bill."""
UNTIL_IT_ENDS: tuple[contracts.BreakKind, ...] = ("refund_waiting", "refund_abnormal", "refund_stuck")
"""What is on the list of breaks for as long as the refund has not succeeded."""
SOONEST, LATEST = 10.0, 3_600.0
"""Seconds between two questions about a refund that the platform has not finished: a quarter of its age in between."""

log = logging.getLogger(__name__)


def record_refunds(
    tx: Transaction, settings: PaymentsSettings, results: Sequence[TaskResult[RefundJob, RefundState]]
) -> list[Later | None]:
    """Writes down what came of refunds at the platform; those still on their way are asked for again."""
    recording = _Recording(tx, settings, [result.payload for result in results])
    answers = [recording.take(result.payload, result.outcome) for result in results]
    recording.store()
    return answers


class _Recording:
    """One batch of the platforms' answers on its way into the tables."""

    def __init__(self, tx: Transaction, settings: PaymentsSettings, jobs: Sequence[RefundJob]) -> None:
        self._tx, self._settings = tx, settings
        self._payments = tx.lock(PAYMENTS, [job.payment_id for job in jobs])
        self._rows = tx.lock(REFUNDS, [job.refund_id for job in jobs])
        self._total = {id: refunded(refunds) for id, refunds in refunds_of(tx, self._payments).items()}
        self._changed: dict[int, RefundRow] = {}
        self._breaks = Breaks(tx)

    def take(self, job: RefundJob, outcome: RefundState) -> Later | None:
        """Lets one answer take effect; money that went back is believed even of a refund that had failed."""
        row = self._rows[job.refund_id]
        if outcome.status == "succeeded" and row.state != "SUCCEEDED":
            self._end(row, "SUCCEEDED")
            row.bill_day = awaited(row.bill_day, self._tx.now)
            self._total[row.payment_id] += row.amount
            publish_refunded(self._tx, self._payments[row.payment_id], row, self._total[row.payment_id])
            self._breaks.settle(break_key(kind, job.channel, str(job.refund_id), job.amount) for kind in UNTIL_IT_ENDS)
        elif outcome.status == "failed" and row.state == "REQUESTED":
            self._end(row, "FAILED")
            self._list("refund_failed", job, outcome.detail)
        elif outcome.status == "failed" and row.state == "SUCCEEDED":
            # The order stays refunded, and points taken back: what is left is that the buyer gets the money.
            self._list("refund_failed", job, f"it had succeeded, and then it failed: {outcome.detail}")
        elif outcome.status != "succeeded" and row.state == "REQUESTED":
            return self._later(job, outcome)
        return None

    def store(self) -> None:
        """Writes what the answers changed."""
        self._tx.update(REFUNDS, self._changed.values())
        self._breaks.store()

    def _end(self, row: RefundRow, state: contracts.RefundState) -> None:
        row.state, row.changed_at = state, self._tx.now
        self._changed[row.refund_id] = row

    def _later(self, job: RefundJob, outcome: RefundState) -> Later | None:
        age = (self._tx.now - job.since) / 1000
        if outcome.status == "abnormal":
            self._list("refund_abnormal", job, outcome.detail)
        elif outcome.status == "waiting":
            log.warning("refund %d of payment %d waits: %s", job.refund_id, job.payment_id, outcome.detail)
        if age < self._settings.give_up_refunding:
            if outcome.status == "waiting" and age >= PATIENCE:
                self._list("refund_waiting", job, outcome.detail)
            return Later(min(LATEST, max(SOONEST, age / 4)))
        self._list("refund_stuck", job, outcome.detail)
        return Later(STUCK_EVERY) if age < self._settings.give_up_refunding + LAST_QUESTION else None

    def _list(self, kind: contracts.BreakKind, job: RefundJob, detail: str) -> None:
        subject = str(job.refund_id)
        detail = f"refund {subject}: {detail}"[:MAX_DETAIL]
        self._breaks.add(kind, job.channel, str(job.payment_id), amount=job.amount, detail=detail, subject=subject)
