"""What `makegood` can do. Each command's work is elsewhere, and imported when it is wanted: help answers at once."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from makegood.cli.benching import bench
from makegood.cli.failure import CommandFailed
from makegood.cli.sandbox_commands import sandbox

DEFAULT_DATA = Path("data")

Data = Annotated[Path, typer.Option("--data", help="The shop's folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Cluster = Annotated[
    Path | None, typer.Option("--config", help="A cluster's TOML file: work with it instead.", dir_okay=False)
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.", dir_okay=False)]

app = typer.Typer(
    help="The order and payment core of an online shop.",
    epilog="Start with `makegood run`; everything else can look on while it runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
dead_letters = typer.Typer(help="Events and tasks that failed and wait for a person.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(bench, name="bench")
app.add_typer(sandbox, name="sandbox")


@app.command()
def run(
    data: Data = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8000,
    config: ConfigFile = None,
) -> None:
    """Run the whole shop in this process: services, broker, HTTP API, and the payment sandbox beside it.

    An empty folder gets demo goods and users when the address is a loopback one. Ctrl-C stops it cleanly.
    """
    from makegood.cli import running

    running.run(data, host, port, config)


@app.command()
def serve(
    services: Annotated[list[str], typer.Argument(help="Services of the shop; `gateway` serves HTTP.")],
    config: Annotated[Path, typer.Option("--config", help="The cluster's TOML file.", dir_okay=False)],
    host: Annotated[str, typer.Option(help="The address for HTTP.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--http-port", help="Its port; 0 takes a free one.", min=0, max=65535)] = 0,
    data: Annotated[
        Path, typer.Option("--data", help="A folder of this process's own, for what it remembers.", file_okay=False)
    ] = Path("data-cluster"),
) -> None:
    """Run some of the services as a process of a cluster: on MySQL, RocketMQ, ZooKeeper and Triple.

    Each process also answers /healthz, /readyz and /metrics. Start as many of each service as you like; run
    `makegood migrate` first. SIGTERM and Ctrl-C stop it cleanly: it leaves the registry and finishes what it accepted.
    """
    from makegood.cli import serving

    serving.serve(services, config, host, port, data)


@app.command()
def migrate(
    config: Annotated[Path, typer.Option("--config", help="The cluster's TOML file.", dir_okay=False)],
    json: Json = False,
) -> None:
    """Bring a cluster's databases to the revision that this version expects; what is there already is left alone."""
    from makegood.cli import serving

    serving.migrate(config, as_json=json)


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="JSON files: {goods, users, coupons}.", dir_okay=False)],
    data: Data = DEFAULT_DATA,
    config: Cluster = None,
    json: Json = False,
) -> None:
    """Take goods, users and coupons into the shop, running or not.

    Stock and balances are totals ever loaded, so loading a file again changes nothing. One bad row refuses its file.
    """
    from makegood.cli import operators

    operators.load(files, operators.Where(data, config), as_json=json)


@app.command()
def audit(data: Data = DEFAULT_DATA, config: Cluster = None, json: Json = False) -> None:
    """Check the shop's promises on what it has stored; the exit status is 1 when one is broken."""
    from makegood.cli import operators

    operators.audit(operators.Where(data, config), as_json=json)


@app.command()
def reconcile(
    channel: Annotated[str, typer.Option(help="A payment channel of the shop, such as alipay.")],
    date: Annotated[str, typer.Option(help="The bill's day by China's clock, YYYY-MM-DD.")],
    data: Data = DEFAULT_DATA,
    config: Cluster = None,
    json: Json = False,
) -> None:
    """Compare a platform's bill of a day with the shop's payments and refunds, line by line.

    What differs is listed here and on the operators' page: ours only, theirs only, another amount; the exit status is
    then 1. It can be run again: what has been settled meanwhile is then gone from the list.
    """
    from makegood.cli import operators, reconciling

    reconciling.reconcile(operators.Where(data, config), channel, date, as_json=json)


@app.command()
def replay(
    baskets: Annotated[int | None, typer.Option(help="Place the first N baskets of the year.", min=1)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Place every basket of the year.")] = False,
    data: Data = DEFAULT_DATA,
    config: Cluster = None,
    concurrency: Annotated[int, typer.Option(help="Orders under way at a time.", min=1, max=512)] = 128,
    json: Json = False,
) -> None:
    """Place and pay a real year's baskets in the running shop, and prove what it must hold afterwards.

    The expected figures come from the data set alone. Every difference is listed; the exit status is then 1.
    Stopped or killed, the same command goes on where it was.
    """
    from makegood.cli import replaying

    if (baskets is None) != everything:
        raise CommandFailed("say how many: --baskets N, or --all")
    replaying.replay(data, config, baskets, concurrency, as_json=json)


@app.command()
def simulate(
    seed: Annotated[int | None, typer.Option(help="Run exactly this world.", min=0)] = None,
    seeds: Annotated[int | None, typer.Option(help="Run so many worlds; 200 when not said.", min=1)] = None,
    first: Annotated[int | None, typer.Option("--from", help="The first of them; 1 when not said.", min=0)] = None,
    orders: Annotated[int, typer.Option(help="Orders placed in each world.", min=1, max=10_000)] = 50,
    faults: Annotated[float, typer.Option(help="Multiplies how likely every fault is.", min=0.0, max=100.0)] = 1.0,
    rate: Annotated[list[str] | None, typer.Option(help="How likely one kind is: death=0.5.", metavar="KIND=N")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="A fault, or kind, that does not happen.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A fault, or kind; all others do not happen.")] = None,
    buyer: Annotated[list[int] | None, typer.Option(help="A buyer; all others stay at home.")] = None,
    steps: Annotated[int | None, typer.Option(help="End each world after so many steps.", min=1)] = None,
    about: Annotated[str | None, typer.Option(help="Tell the story of an order's id, a key, … of --seed.")] = None,
    explain: Annotated[int, typer.Option(help="Shrink and explain so many failing worlds.", min=0, max=20)] = 1,
    workers: Annotated[int | None, typer.Option(help="Processes; one a core when not said.", min=1, max=256)] = None,
    json: Json = False,
) -> None:
    """Run the whole shop in simulated worlds, in which everything that can fail does, and check every promise.

    The same seed is always the same world. The exit status is 1 when a promise is broken; the first such world is
    made as small as it gets, told as a story, and can be run again with the command that is shown.
    """
    from makegood.cli import simulating

    if seed is not None and (seeds is not None or first is not None):
        raise CommandFailed("say which worlds: --seed N for one, or --seeds N and --from N for many")
    if about is not None and seed is None:
        raise CommandFailed("a story is of one world: say which, with --seed N")
    begin = seed if seed is not None else 1 if first is None else first
    chosen = range(begin, begin + (1 if seed is not None else seeds or 200))
    wanted = simulating.options(orders, faults, steps, leave_out, only, buyer, rate)
    task = simulating.Task(chosen, wanted, workers or os.cpu_count() or 1, explain, about, stops=steps is not None)
    simulating.run(task, as_json=json)


@app.command()
def contracts(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when files and code differ.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="With --check: files of before, whose readers must not be broken.", file_okay=False),
    ] = None,
    accept_breaks: Annotated[bool, typer.Option("--accept-breaks", help="Let go of what others may rely on.")] = False,
    export: Annotated[Path | None, typer.Option(help="Copy the files into this folder.", file_okay=False)] = None,
    json: Json = False,
) -> None:
    """Write the .proto files, by which other languages call the services, anew from the code.

    Field numbers stay; what is removed or retyped is refused unless it is accepted.
    """
    from makegood.cli import contracting

    if against is not None and not check:
        raise CommandFailed("--against compares: say --check, too")
    if export is not None:
        contracting.export(export)
    elif check:
        contracting.check(against=against, as_json=json)
    else:
        contracting.renew(accept_breaks=accept_breaks, as_json=json)


@dead_letters.command("list")
def list_dead_letters(
    data: Data = DEFAULT_DATA,
    config: Cluster = None,
    after: Annotated[str | None, typer.Option(help="Go on behind this id.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 100,
    json: Json = False,
) -> None:
    """List them with the reason, the tries so far and the next one."""
    from makegood.cli import operators

    operators.list_dead_letters(operators.Where(data, config), after, limit, as_json=json)


@dead_letters.command("replay")
def replay_dead_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids from the list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay every one.")] = False,
    data: Data = DEFAULT_DATA,
    config: Cluster = None,
    json: Json = False,
) -> None:
    """Have them tried again at once; do so when what made them fail is mended."""
    from makegood.cli import operators

    if bool(ids) == everything:
        raise CommandFailed("say which: ids from `makegood dead-letters list`, or --all")
    operators.replay_dead_letters(operators.Where(data, config), ids, as_json=json)


def main() -> None:
    """Runs the command line; a failure is one line that says what to do, and exit status 1 (2 for wrong usage)."""
    try:
        app()
    except CommandFailed as error:
        print(f"makegood: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
