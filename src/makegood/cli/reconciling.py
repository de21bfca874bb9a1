"""`makegood reconcile`: a platform's daily bill against our payments and refunds, in the running shop."""

import asyncio
import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from makegood.cli.operators import Where, with_operator
from makegood.operators.client import OperatorClient

LOOK_EVERY = 0.5
"""Seconds between looks at how far it is."""
PATIENCE = 600.0
"""Seconds after which the command no longer waits; the shop goes on."""
SHOWN = 100
"""Most differences that are printed; the operators' page shows all."""
NUMBERS = (("refund", "refund_number"), ("trade", "trade_no"))
"""What a line has besides the merchant's number of the payment."""


def reconcile(where: Where, channel: str, date: str, *, as_json: bool) -> None:
    """Compares, waits, prints what differs; exits with 1 when anything does, or the bill could not be had."""
    done, differences = with_operator(where, lambda operator: _reconciled(operator, channel, date, quiet=as_json))
    if as_json:
        json.dump({**done, "listed": differences}, sys.stdout, indent=2)
        print()
    else:
        _show(done, differences)
    if done["state"] != "DONE" or done["differences"]:
        sys.exit(1)


async def _reconciled(
    operator: OperatorClient, channel: str, date: str, *, quiet: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    one = await operator.reconcile(channel, date)
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("asking for the bill", total=None)
        while one["state"] == "RUNNING" and not one["error"] and loop.time() < until:
            await asyncio.sleep(LOOK_EVERY)
            one = await operator.reconciliation(channel, date)
            progress.update(bar, description=f"{one['lines']:,} lines compared")
    return one, await operator.differences(one["account"], one["date"], SHOWN)


def _show(done: dict[str, Any], differences: list[dict[str, Any]]) -> None:
    console = Console(markup=False, highlight=False)
    name = f"{done['account']} {done['date']}"
    if done["state"] == "DONE":
        sums = f"{done['lines']:,} lines, {done['captured']:,} fen captured, {done['refunded']:,} fen refunded"
        console.print(f"{name}: {sums}; {done['differences']:,} differences", soft_wrap=True)
    else:
        console.print(f"{name}: {done['state']}: {_why(done)}", soft_wrap=True)
    if differences:
        console.print(_table(differences))
    if done["differences"] > len(differences):
        more = f"{len(differences):,} of {done['differences']:,} are shown: the operators' page has all of them"
        console.print(more, soft_wrap=True)


def _why(one: dict[str, Any]) -> str:
    if one["state"] == "FAILED":
        return one["error"]
    if one["error"]:
        return f"{one['error']}; it is tried again by itself, or run the command again when that is mended"
    return "it still runs: run the command again to see how far it is"


def _table(differences: list[dict[str, Any]]) -> Table:
    """Numbers stand in one column, below each other, so that a screen of 80 columns has them whole."""
    table = Table("what", show_lines=True)
    table.add_column("number", no_wrap=True)
    table.add_column("fen", no_wrap=True, justify="right")
    for one in differences:
        numbers = [one["number"], *(f"{name} {one[key]}" for name, key in NUMBERS if one[key])]
        amounts = f"ours {one['ours']:,}\ntheirs {one['theirs']:,}"
        # As text: what a platform wrote on its bill is no markup.
        table.add_row(Text(f"{one['kind'].replace('_', ' ')}: {one['detail']}"), Text("\n".join(numbers)), amounts)
    return table
