"""`makegood simulate`."""

import signal
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from makegood.cli.failure import CommandFailed
from makegood.simulation.choosing import Only, Without, checked
from makegood.simulation.command import Simulated, Task, simulate
from makegood.simulation.faults import Fault
from makegood.simulation.progress import Bars
from makegood.simulation.runs import EACH, Options
from makegood.simulation.tables import show


def options(
    orders: int,
    scale: float,
    steps: int | None,
    leave_out: Sequence[str] | None,
    only: Sequence[str] | None,
    buyers: Sequence[int] | None,
    rates: Sequence[str] | None = None,
) -> Options:
    """What worlds are to be like. Raises CommandFailed for what cannot be."""
    if leave_out and only:
        raise CommandFailed("say which faults happen (--only), or which do not (--leave-out), not both")
    try:
        left_out: Any = Only(checked(only)) if only else Without(checked(leave_out or ()))
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    most = max(1, orders // EACH)
    if buyers and not all(0 <= buyer < most for buyer in buyers):
        raise CommandFailed(f"buyers have numbers from 0 to {most - 1} in a world of {orders} orders")
    wanted = Options(
        orders=orders,
        scale=scale,
        left_out=left_out,
        buyers=frozenset(buyers) if buyers else None,
        rates=dict(map(_rate, rates or ())),
    )
    return wanted if steps is None else msgspec.structs.replace(wanted, steps=steps)


def _rate(text: str) -> tuple[Fault, float]:
    """`death=0.5`. Raises CommandFailed."""
    name, _, number = text.partition("=")
    try:
        fault, rate = Fault[name.upper()], float(number)
    except (KeyError, ValueError) as error:
        kinds = ", ".join(kind.name.lower() for kind in Fault)
        raise CommandFailed(f"--rate {text}: write KIND=N, as death=0.5; the kinds are {kinds}") from error
    if not 0 <= rate <= 1:
        raise CommandFailed(f"--rate {text}: make it 0 to 1, how likely it is at each of its occasions")
    return fault, rate


def run(task: Task, *, as_json: bool) -> None:
    """Simulates, and shows what came of it; exits with 1 when a promise is broken, or a world was lost."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        with Bars() as bars:
            simulated = simulate(task, bars)
    except OSError as error:
        raise CommandFailed(f"worlds need processes of their own: {error}") from error
    except KeyboardInterrupt:
        sys.exit(130)
    _print(simulated, as_json=as_json)
    sys.exit(0 if simulated.report.ok else 1)


def _stop(*_: object) -> None:
    """As Ctrl-C: the workers end, and the terminal is as it was."""
    raise KeyboardInterrupt


def _print(simulated: Simulated, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(simulated)).decode() + "\n")
    else:
        show(simulated, Console(highlight=False))
