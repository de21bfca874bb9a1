"""Mistakes in the way of an order: placing, settling, cancelling, paying, refunding."""

from tests.simulation.mutations.mutation import MANY, RARE, Mutation, Patch

STEPS, MOVES = "shop/orders/steps.py", "shop/orders/moves.py"
CANCELLING, PAYING = "shop/orders/cancelling.py", "shop/orders/paying.py"

NO_ASSERT_PAY = Patch(
    MOVES,
    'assert unpaid(row), f"order {row.order_id} is {row.status} and {row.payment_status}: it cannot be paid"',
    "pass",
)
NO_ASSERT_CANCEL = Patch(
    MOVES,
    'assert unpaid(row), f"order {row.order_id} is {row.status} and {row.payment_status}: it cannot be cancelled"',
    "pass",
)

MUTATIONS = (
    Mutation(
        "settle-without-compare-and-set",
        "A late settle decides an order anew that is decided.",
        (
            Patch(STEPS, 'if row.status == "OPEN":\n            _decide', "if row.status:\n            _decide"),
            Patch(
                MOVES,
                'assert row.status == "OPEN", f"order {row.order_id} is {row.status}, only an OPEN one is confirmed"\n'
                "    ",
                "",
            ),
            Patch(
                MOVES,
                'assert row.status == "OPEN", f"order {row.order_id} is {row.status}, only an OPEN one is refused"\n'
                "    ",
                "",
            ),
            NO_ASSERT_PAY,
        ),
    ),
    Mutation(
        "pay-without-compare-and-set",
        "A payment that comes late makes a cancelled order paid.",
        (
            Patch(
                PAYING,
                "if unpaid(row) and event.amount == row.amount_due:",
                "if row.payment_id is None and event.amount == row.amount_due:",
            ),
            NO_ASSERT_PAY,
        ),
    ),
    Mutation(
        "cancel-without-compare-and-set",
        "An order whose payments were closed is cancelled, whatever became of it meanwhile.",
        (
            Patch(
                CANCELLING,
                'if waits and answer.outcome == "closed":',
                'if row.status == "CONFIRMED" and answer.outcome == "closed":',
            ),
            NO_ASSERT_CANCEL,
        ),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "key-body-not-compared",
        "An idempotency key used again with another body is answered as if it were the same order.",
        (Patch(STEPS, "if row.request_hash == request_hash else Opened(None)", "if row else Opened(None)"),),
    ),
    Mutation(
        "discount-not-compared",
        "An order is confirmed though its coupon is worth something else than its buyer claims.",
        (Patch(STEPS, '("" if request.discount == row.discount else AMOUNT_MISMATCH)', '""'),),
    ),
    Mutation(
        "silent-holder-forgotten",
        "A participant that did not answer is not told that the order is refused.",
        (
            Patch(
                "shop/orders/place.py",
                "if answer is None or not answer.refusal]",
                "if answer is not None and not answer.refusal]",
            ),
        ),
        scale=2.0,
    ),
    Mutation(
        "answered-before-settled",
        "When everybody agreed and settling is not answered, the buyer is told that the order is confirmed.",
        (
            Patch(
                "shop/orders/place.py",
                "return order if settled is None else",
                "if settled is None and said is not None and not said.refusal:\n"
                '        return msgspec.structs.replace(order, status="CONFIRMED", decision="confirmed")\n'
                "    return order if settled is None else",
            ),
        ),
        seeds=RARE,
    ),
    Mutation(
        "lost-reply-is-agreement",
        "A participant that does not answer twice counts as one that agreed.",
        (
            Patch("shop/orders/asking.py", "if pointless():", "if pointless() or pause > FIRST_PAUSE:"),
            Patch(
                "shop/orders/place.py",
                "if not refusals and any(answer is None for answer in answers.values()):",
                "if not refusals and all(answer is None for answer in answers.values()):",
            ),
        ),
        seeds=RARE,
    ),
    Mutation(
        "no-sweep",
        "Nobody cancels the orders of processes that died.",
        (Patch(CANCELLING, 'due = tx.due(ORDERS, "due_at", tx.now, limit)', "return 0\n    due = []"),),
    ),
    Mutation(
        "sweep-without-deadline",
        "The sweep does not wait for the deadline: it cancels orders that are being decided.",
        (
            Patch(
                CANCELLING,
                'tx.due(ORDERS, "due_at", tx.now, limit)',
                'tx.due(ORDERS, "due_at", tx.now + 86_400_000, limit)',
            ),
            Patch(CANCELLING, "if row.due_at is not None and row.due_at <= tx.now]", "if row.due_at is not None]"),
        ),
    ),
    Mutation(
        "sweep-cancels-confirmed",
        "The sweep cancels an unpaid order itself, without asking payments to close it.",
        (
            Patch(
                CANCELLING,
                'row.due_at = None  # from here on the task sees to it\n            _enqueue(tx, row, "expired")',
                'moves.cancel(tx, row, "expired")',
            ),
        ),
    ),
    Mutation(
        "unknown-is-closed",
        "When payments cannot say whether an order is paid, the order is cancelled.",
        (
            Patch(CANCELLING, 'if waits and answer.outcome == "closed":', 'if waits and answer.outcome != "paid":'),
            Patch(CANCELLING, 'again = waits and answer.outcome == "unknown"', "again = False"),
        ),
    ),
    Mutation(
        "unknown-is-given-up",
        "When payments cannot say whether an order is paid, it is not asked again.",
        (Patch(CANCELLING, 'again = waits and answer.outcome == "unknown"', "again = False"),),
    ),
    Mutation(
        "late-refund-forgotten",
        "Money that comes for a cancelled order is not given back.",
        (
            Patch(
                PAYING,
                "        else:\n            request = RefundRequested(",
                '        elif _reason(row) != "late":\n            request = RefundRequested(',
            ),
        ),
    ),
    Mutation(
        "second-capture-kept",
        "A second payment of an order that is paid is not given back.",
        (
            Patch(
                PAYING,
                "if row.payment_id == event.payment_id:\n            continue",
                "if row.payment_id is not None:\n            continue",
            ),
        ),
    ),
    Mutation(
        "paid-amount-not-compared",
        "A payment of any amount makes an order paid.",
        (Patch(PAYING, "if unpaid(row) and event.amount == row.amount_due:", "if unpaid(row):"),),
        survives="payments lets only the exact amount count as captured",
    ),
    Mutation(
        "shipped-goods-put-back",
        "The refund of a shipped order puts its goods back on hand.",
        (Patch(MOVES, 'row.payment_id, refunding(row), "asked")', 'row.payment_id, asked(row), "asked")'),),
    ),
    Mutation(
        "part-refund-ends-order",
        "An order ends when a part of its payment is refunded.",
        (Patch(PAYING, "if event.cumulative >= event.captured and _ends(row, event):", "if _ends(row, event):"),),
    ),
)
