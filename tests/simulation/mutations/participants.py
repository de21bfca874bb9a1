"""Mistakes in what takes and gives back: the barrier, stock, coupons, accounts."""

from tests.simulation.mutations.mutation import RARE, Mutation, Patch

BARRIER = "engine/reservations.py"

MUTATIONS = (
    Mutation(
        "barrier-takes-again",
        "A request that was granted before is not answered from memory: it takes once more.",
        (
            Patch(
                BARRIER,
                "for id, row in known.items()}\n        self._new",
                'for id, row in known.items() if row.state != "TAKEN"}\n        self._new',
            ),
            Patch(
                BARRIER,
                "self._tx.insert(self._reservations.table, self._new)",
                "held = self._tx.select(self._reservations.table, [row.order_id for row in self._new])\n"
                "        self._tx.insert(self._reservations.table, "
                "[row for row in self._new if row.order_id not in held])",
            ),
        ),
    ),
    Mutation(
        "barrier-forgets-cancels",
        "A cancel of an order not seen yet is not remembered, so the request behind it takes for good.",
        (
            Patch(
                BARRIER,
                '[Reservation(id, "CANCELLED", b"", b"", tx.now, tx.now, tx.now + MEMORY) for id in ids '
                "if id not in known],",
                "[],",
            ),
        ),
        seeds=RARE,
    ),
    Mutation(
        "barrier-forgets-refusals",
        "A refusal is not remembered: its repeat, or its twin on the network, may be granted.",
        (
            Patch(
                BARRIER,
                "self._tx.insert(self._reservations.table, self._new)",
                'self._tx.insert(self._reservations.table, [row for row in self._new if row.state == "TAKEN"])',
            ),
        ),
        scale=2.0,
    ),
    Mutation(
        "returned-twice",
        "What was given back is given back once more when a second message asks for it.",
        (
            Patch(
                BARRIER,
                'if row.state == "TAKEN"]\n        for row in returning',
                'if row.state in ("TAKEN", "RETURNED")]\n        for row in returning',
            ),
        ),
    ),
    Mutation(
        "late-request-accepted",
        "A request past its order's deadline is granted.",
        (Patch(BARRIER, "if self._tx.now > request.deadline + SKEW:", "if False:"),),
        survives="the order's cancel is remembered for longer than any request is late",
    ),
    Mutation(
        "stock-of-a-batch-lost",
        "Of the orders that give back one SKU in one batch only the last one's pieces come back.",
        (
            Patch(
                "shop/stock/service.py",
                "for line in lines:\n            goods",
                "for line in {line.sku: line for line in lines}.values():\n            goods",
            ),
        ),
    ),
    Mutation(
        "stock-half-an-order",
        "Stock takes the lines that are there although another line of the order is refused.",
        (
            Patch(
                "shop/stock/service.py",
                "taking.refuse(request, refusal)",
                "taking.refuse(request, refusal)\n"
                "                for line in request.lines:\n"
                "                    good = deduction._goods.get(line.sku)\n"
                "                    if good is not None and good.stock >= line.quantity:\n"
                "                        good.stock -= line.quantity\n"
                "                        deduction._changed[line.sku] = good",
            ),
        ),
    ),
    Mutation(
        "limit-never-counted-down",
        "What a buyer gave back still counts against their limit.",
        (Patch("shop/stock/service.py", "        uncount(tx, returned.values())\n", ""),),
    ),
    Mutation(
        "limit-not-checked",
        "A buyer gets more pieces than the limit of the good.",
        (
            Patch(
                "shop/stock/deduction.py",
                "if not refusal and self._bought.exceeded(request.user, request.lines):",
                "if refusal and self._bought.exceeded(request.user, request.lines):",
            ),
        ),
    ),
    Mutation(
        "coupon-used-twice",
        "A coupon that an order holds can be used by another one.",
        (Patch("shop/coupons/service.py", "        or coupon.order_id != FREE\n", ""),),
    ),
    Mutation(
        "coupon-kept",
        "A coupon is not free again when its order is cancelled.",
        (Patch("shop/coupons/service.py", "coupon.order_id = FREE", "pass"),),
    ),
    Mutation(
        "balance-without-entry",
        "A balance is given back without an entry that says so.",
        (
            Patch(
                "shop/accounts/service.py",
                "ledger.enter(ledger.accounts[taken.user], RETURN, order_id, taken.amount)",
                "ledger.accounts[taken.user].balance += taken.amount\n"
                "            ledger.mark(ledger.accounts[taken.user])",
            ),
        ),
    ),
    Mutation(
        "put-back-forgotten",
        "Participants mark a reservation as returned and do not put back what it held.",
        (Patch("shop/participant.py", "if returned:", "if len(returned) > 1:"),),
    ),
    Mutation(
        "inquiry-gives-back-all",
        "A participant that asks what came of its orders gives back what is kept, too.",
        (
            Patch(
                "shop/participant.py",
                "self._give_back(tx, inquiry.outcomes.give_back)",
                "self._give_back(tx, inquiry.asked)",
            ),
        ),
    ),
)
