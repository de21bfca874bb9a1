"""`makegood bench …`: what an order and a callback cost here, and what they could cost at least."""

import sys
import tempfile
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from makegood.cli.failure import CommandFailed
from makegood.cluster.extra import missing_extra

if TYPE_CHECKING:
    from makegood.bench.cases import Case
    from makegood.bench.progress import Steps

T = TypeVar("T")
MOST = 1_900_000
"""Most orders that a bench makes: the payment sandbox's ledger takes no more."""
bench = typer.Typer(
    help="What an order and a callback cost on this machine, beside the least that the same work could cost.",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Output = Annotated[Path | None, typer.Option("--output", help="Also write the JSON to this file.", dir_okay=False)]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Work in a new folder in this one: the disk counts.", file_okay=False, exists=True),
]
Seconds = Annotated[float, typer.Option(help="For how long each case is measured.", min=0.2, max=600.0)]


@bench.command()
def orders(
    buyers: Annotated[str | None, typer.Option(help="Buyers at once, as 1,8,64,256,1024.")] = None,
    goods: Annotated[str | None, typer.Option(help="Of spread (1,000 SKUs), hot (one), sold-out.")] = None,
    lines: Annotated[str | None, typer.Option(help="Lines of an order, as 1,9.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of plain, coupon (with coupon and balance).")] = None,
    full: Annotated[bool, typer.Option("--full", help="Every combination; takes a quarter of an hour.")] = False,
    seconds: Seconds = 3.0,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Also on this running cluster: its shop.toml.", dir_okay=False, exists=True),
    ] = None,
    history: Annotated[int, typer.Option(help="Once more with so many paid orders before.", min=0, max=MOST)] = 0,
    folder: Folder = None,
    json: Json = False,
    output: Output = None,
) -> None:
    """Place orders over HTTP, one after another by each buyer, in a shop started for it and removed afterwards.

    Every case runs in a fresh copy of the same shop. Beside it, in the same run, stand its floors: the same rows in
    the same files in as many commits by raw SQL, and an endpoint of the same HTTP server that does nothing. Without
    options all numbers of buyers are measured for a plain order, the other kinds with 256 buyers: about 3 minutes.
    With --history only that one case with 256 buyers is measured, without and with so many orders before it.
    With --config each case runs on a cluster of this machine as well (deploy/local/cluster up), which keeps the orders:
    the CPU of each process, how much goes together over each way between them, and the same rows by raw SQL.
    The exit status is 1 when an answer was not what its case says, or not what was stored.
    """
    from makegood.bench import tables
    from makegood.bench.cases import select
    from makegood.bench.orders import bench_orders

    with _failing():
        cases = select(buyers, goods, lines, kind, full=full, history=history > 0)
    if config is not None:
        _bench_cluster(config, cases, seconds, folder, json=json, output=output)
    report = _run(
        lambda place, steps: bench_orders(place, cases, seconds, steps, history=history),
        folder,
        steps=(5 * len(cases) + 2) if history else (3 * len(cases) + 1),
    )
    _show(report, tables.show_orders, json=json, output=output)
    sys.exit(0 if report.ok else 1)


@bench.command()
def callbacks(
    connections: Annotated[str | None, typer.Option(help="Connections at once, as 1,8,64,256.")] = None,
    count: Annotated[int, typer.Option("--callbacks", help="Most callbacks of each.", min=100, max=MOST)] = 6_000,
    seconds: Seconds = 3.0,
    folder: Folder = None,
    json: Json = False,
    output: Output = None,
) -> None:
    """Send signed Alipay callbacks over HTTP, each of another order's open payment, and wait for what follows.

    The payments are made beforehand in a shop started for it, the callbacks signed with the sandbox's own key. Beside
    it, in the same run, stands an endpoint of the same HTTP server that verifies the same signature and stores one
    row, all that wait in one commit. The shop's CPU includes what a callback brings about: the order is paid, points
    are added, the journal is written. The exit status is 1 when a callback was not answered `success`, or did not
    take effect exactly once.
    """
    from makegood.bench import tables
    from makegood.bench.callbacks import bench_callbacks, chosen_connections

    with _failing():
        numbers = chosen_connections(connections)
    report = _run(
        lambda place, steps: bench_callbacks(place, numbers, count, seconds, steps),
        folder,
        steps=3 * len(numbers) + 3,
    )
    _show(report, tables.show_callbacks, json=json, output=output)
    sys.exit(0 if report.ok else 1)


@bench.command()
def plot(
    files: Annotated[list[Path], typer.Argument(help="Reports that --output wrote.", dir_okay=False)],
    plots: Annotated[Path, typer.Option(help="Where the SVG files go.", file_okay=False)] = Path("docs/plots"),
    document: Annotated[
        Path | None, typer.Option(help="A document with <!-- bench orders --> … <!-- end -->.", dir_okay=False)
    ] = None,
) -> None:
    """Draw what was measured: CPU of an order against buyers, of a callback against connections, floors below.

    With --document the measured tables are written into that file as well, each between the marks that name it:
    orders, history, callbacks or cluster.
    """
    from makegood.bench.documents import read_report, write_into

    try:
        from makegood.bench.plots import draw
    except ModuleNotFoundError as error:
        raise CommandFailed(f"plots need {error.name}: install the development dependencies (`make .venv`)") from error
    with _failing():
        reports = [read_report(file) for file in files]
        drawn = [path for report in reports if (path := draw(report, plots))]
        if document is not None:
            write_into(document, reports)
    for path in [*drawn, *([document] if document else [])]:
        print(f"wrote {path}")


def _bench_cluster(
    config: Path, cases: "Sequence[Case]", seconds: float, folder: Path | None, *, json: bool, output: Path | None
) -> NoReturn:
    try:
        from makegood.bench.cluster.orders import bench_cluster
        from makegood.bench.cluster.tables import show_cluster
    except ModuleNotFoundError as error:
        raise CommandFailed(missing_extra(error)) from error
    report = _run(
        lambda place, steps: bench_cluster(place, config, cases, seconds, steps), folder, steps=4 * len(cases) + 2
    )
    _show(report, show_cluster, json=json, output=output)
    sys.exit(0 if report.ok else 1)


def _run(work: "Callable[[Path, Steps], Coroutine[Any, Any, T]]", folder: Path | None, *, steps: int) -> T:
    """Runs the bench in a temporary folder, with a progress bar on standard error."""
    import uvloop

    from makegood.bench.progress import Steps

    with (
        _failing(),
        tempfile.TemporaryDirectory(prefix="makegood-bench-", dir=folder, ignore_cleanup_errors=True) as place,
        Steps(steps) as progress,
    ):
        return uvloop.run(work(Path(place), progress))


@contextmanager
def _failing() -> Generator[None]:
    """What a person can do something about becomes the command's failure."""
    from makegood.bench.errors import BenchError

    try:
        yield
    except (BenchError, OSError) as error:
        raise CommandFailed(str(error)) from error


def _show(report: T, show: Callable[[T, Any], None], *, json: bool, output: Path | None) -> None:
    import msgspec
    from rich.console import Console

    text = msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"
    if output is not None:
        with _failing():
            output.write_text(text)
    if json:
        sys.stdout.write(text)
    else:
        show(report, Console(highlight=False))
