"""Mistakes in the way of a payment: opening, hearing, closing, refunding; and in points and the journal."""

from tests.simulation.mutations.mutation import Mutation, Patch

RECORDING, OPENING = "shop/payments/recording.py", "shop/payments/opening.py"
SERVICE, REFUNDING = "shop/payments/service.py", "shop/payments/refunding.py"

SEEN = "if known is not None:"
REPEAT = 'if payment.state == "PAID":\n            if fact.trade_no'

MUTATIONS = (
    Mutation(
        "closed-wins-over-captured",
        "A capture of a payment that is closed does not count.",
        (Patch(RECORDING, REPEAT, f'if payment.state == "CLOSED":\n            return "repeat"\n        {REPEAT}'),),
    ),
    Mutation(
        "notification-counts-twice",
        "A notification that comes again takes effect again.",
        (
            Patch(RECORDING, SEEN, "if known is not None and not fact:"),
            Patch(RECORDING, "if fact.notify_id:\n", "if fact.notify_id and known is None:\n"),
            Patch(RECORDING, REPEAT, 'if payment.state == "NEVER":\n            if fact.trade_no'),
        ),
    ),
    Mutation(
        "notification-answered-unstored",
        "A callback that could not be stored is answered with success.",
        (Patch(SERVICE, "            return False\n        return True", "        return True"),),
        survives="a task asks the platform about payments nobody has heard of",
    ),
    Mutation(
        "captured-amount-not-compared",
        "A capture of another amount than the payment's makes it paid.",
        (Patch(RECORDING, "if fact.amount != payment.amount:", "if fact.amount < 0:"),),
    ),
    Mutation(
        "bill-closed-and-opened",
        "A payment can be opened though its order is closed to payments.",
        (
            Patch(
                OPENING,
                '(bill is not None and bill.state == "CLOSED") or _paid(payments)',
                "_paid(payments) and bill is not None",
            ),
        ),
        seeds=150,
    ),
    Mutation(
        "open-trade-counts-as-closed",
        "Payments says that an order is closed though a platform did not answer.",
        (Patch(SERVICE, 'OrderClosed("unknown" if "OPEN" in states.values() else "closed")', 'OrderClosed("closed")'),),
    ),
    Mutation(
        "close-without-asking",
        "Payments says that an order is closed without closing its trades at the platforms.",
        (
            Patch(
                SERVICE,
                "{trade: await self._close_trade(trade, deadline) for trade in closing.open}",
                'dict.fromkeys(closing.open, "CLOSED")',
            ),
        ),
    ),
    Mutation(
        "new-refund-number-each-try",
        "A refund that is tried again has another number at the platform.",
        (Patch(SERVICE, "str(job.refund_id), job.amount", 'f"{job.refund_id}{self.engine.now()}", job.amount'),),
    ),
    Mutation(
        "refund-unanswered-is-failed",
        "A refund whose answer is lost counts as failed.",
        (Patch(SERVICE, 'return RefundState("waiting", str(error))', 'return RefundState("failed", str(error))'),),
    ),
    Mutation(
        "refund-unanswered-is-done",
        "A refund whose answer is lost counts as made.",
        (Patch(SERVICE, 'return RefundState("waiting", str(error))', 'return RefundState("succeeded", str(error))'),),
    ),
    Mutation(
        "refund-of-each-message",
        "A payment is refunded in full once for each message that asks for it.",
        (
            Patch(REFUNDING, "elif not any(row.refund_key == WHOLE for row in held.get(id, [])):", "else:"),
            Patch(
                REFUNDING,
                "if rest := payment.captured - promised(refunds):\n"
                "        return [_begin(tx, payment, WHOLE, rest, reason)]",
                "if rest := payment.captured:\n"
                '        return [_begin(tx, payment, f"{WHOLE}{tx.new_id()}", rest, reason)]',
            ),
        ),
    ),
    Mutation(
        "parts-under-way-not-counted",
        "The refund of the rest does not count the parts that are still on their way.",
        (
            Patch(
                REFUNDING,
                "if rest := payment.captured - promised(refunds):",
                "if rest := payment.captured - refunded(refunds):",
            ),
        ),
        scale=2.0,
    ),
    Mutation(
        "points-key-without-refund",
        "An entry of points is one for each payment, so its refund takes no points back.",
        (
            Patch(
                "shop/points/service.py",
                "EntryRow(refund.payment_id, refund.refund_id,",
                "EntryRow(refund.payment_id, 0,",
            ),
        ),
    ),
    Mutation(
        "points-counted-twice",
        "A balance of points grows with each message that says the same.",
        (
            Patch(
                "shop/points/service.py",
                "    for entry in new:\n        balance",
                "    balances |= tx.lock(BALANCES, [entry.user for entry in wanted.values()])\n"
                "    for entry in wanted.values():\n        balance",
            ),
        ),
    ),
)
