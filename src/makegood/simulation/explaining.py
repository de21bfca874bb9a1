"""Why a world failed: the smallest one that fails likewise, its story, and the command that replays it."""

import shlex
from collections.abc import Callable, Generator, Iterable

import msgspec

from makegood.simulation import story
from makegood.simulation.checks import Broken
from makegood.simulation.choosing import Only, Without
from makegood.simulation.faults import Injected
from makegood.simulation.progress import Bars
from makegood.simulation.runs import ORDERS, Options, Ran
from makegood.simulation.shrinking import MOST_RUNS, Shrinking, Shrunk
from makegood.simulation.workers import Job, Lost, Workers


class Remaining(msgspec.Struct, frozen=True):
    """A fault without which the promise holds; `at` seconds."""

    name: str
    at: float
    happens: str
    where: str


class Explained(msgspec.Struct, frozen=True):
    """Why a world failed. `least`: no single fault or buyer can be left out of the smaller one."""

    seed: int
    promise: str
    subject: str
    detail: str
    injected: int
    orders: int
    faults: list[Remaining]
    orders_left: int
    runs: int
    least: bool
    command: str
    story: list[str]
    story_left_out: int


def explain(ran: Ran, options: Options, workers: Workers, bars: Bars) -> Explained:
    """Makes the world smaller in which the first promise of `ran` is broken, and tells its story."""
    promise = ran.broken[0].promise
    bars.begin(f"shrinking {ran.seed}", MOST_RUNS)
    shrunk = Shrinking(ran, options, promise, runs_of(ran.seed, workers), bars.smaller).shrink()
    bars.done()
    kept = next(iter(runs_of(ran.seed, workers)([msgspec.structs.replace(shrunk.options, keep=True)])))
    told = kept if isinstance(kept, Ran) else shrunk.ran
    broken = next(one for one in shrunk.ran.broken if one.promise == promise)
    return _explained(ran, shrunk, broken, story.tell(told.kept, told.injected, (broken.subject, broken.detail)))


def runs_of(seed: int, workers: Workers) -> Callable[[Iterable[Options]], Generator[Ran | Lost]]:
    """Runs worlds of one seed."""
    return lambda many: workers.map(Job(seed, options) for options in many)


def command_of(seed: int, options: Options) -> str:
    """The command that runs this world again."""
    words = ["makegood", "simulate", "--seed", str(seed)]
    if options.orders != ORDERS:
        words += ["--orders", str(options.orders)]
    scale = options.scale
    left_out: object = options.left_out
    if isinstance(left_out, Only):
        words += _each("--only", left_out.names)
        scale = scale if left_out.names else 0.0
    elif isinstance(left_out, Without):
        words += _each("--leave-out", left_out.names)
    if scale != 1.0:
        words += ["--faults", f"{scale:g}"]
    words += _each("--rate", [f"{fault.name.lower()}={rate:g}" for fault, rate in options.rates.items()])
    words += _each("--buyer", options.buyers or ())
    return shlex.join(words)


def _each(option: str, values: Iterable[str] | Iterable[int]) -> list[str]:
    return [word for value in sorted(values, key=_natural) for word in (option, str(value))]


def _natural(value: str | int) -> tuple[str, int]:
    kind, _, number = str(value).rpartition("-")
    return (kind, int(number)) if number.isdecimal() else (str(value), 0)


def _explained(ran: Ran, shrunk: Shrunk, broken: Broken, told: story.Story) -> Explained:
    return Explained(
        seed=ran.seed,
        promise=broken.promise,
        subject=broken.subject,
        detail=broken.detail,
        injected=len(ran.injected),
        orders=ran.orders,
        faults=[_remaining(fault) for fault in shrunk.ran.injected],
        orders_left=shrunk.ran.orders,
        runs=shrunk.runs,
        least=shrunk.least,
        command=command_of(ran.seed, shrunk.options),
        story=[story.text(line) for line in told.lines],
        story_left_out=told.left_out,
    )


def _remaining(fault: Injected) -> Remaining:
    return Remaining(fault.name, round(fault.at, 3), fault.fault.value, fault.where)
