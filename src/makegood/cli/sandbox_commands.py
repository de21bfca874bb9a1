"""`makegood sandbox`: the payment platform to test against, and its faults."""

from pathlib import Path
from typing import Annotated

import typer

from makegood.cli.failure import CommandFailed

Data = Annotated[Path, typer.Option("--data", help="The sandbox's folder.", file_okay=False)]
Fault = Annotated[
    list[str] | None,
    typer.Option("--fault", help="What goes wrong.", metavar="[PLATFORM:]KIND[=PROBABILITY][/SECONDS]"),
]
Seed = Annotated[
    int | None,
    typer.Option(help="What faults are drawn from: the same seed is the same run.", min=0, max=2**53, show_default="0"),
]
FOLDER = Path("sandbox")

sandbox = typer.Typer(
    help="Run a payment platform to test against: it speaks Alipay's, WeChat Pay's and Stripe's protocols.",
    invoke_without_command=True,
)


@sandbox.callback()
def run(
    context: typer.Context,
    data: Data = FOLDER,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8001,
    clock_speed: Annotated[
        float | None,
        typer.Option(help="Virtual seconds in a real one; as before when not said.", min=0.01, max=10_000),
    ] = None,
    fault: Fault = None,
    seed: Seed = None,
    allow_remote_notify: Annotated[
        bool, typer.Option("--allow-remote-notify", help="Notify shops on other machines, too.")
    ] = False,
) -> None:
    """Run the payment platform to test against by itself; sandbox.json in its folder says how to reach it.

    Its page shows trades and every notification, and switches faults; its state survives a restart.
    """
    if context.invoked_subcommand is not None:
        return
    from makegood.cli import sandboxing

    sandboxing.run(data, host, port, clock_speed, sandboxing.Wishes(fault or [], seed, allow_remote_notify))


@sandbox.command()
def faults(
    data: Data = FOLDER,
    fault: Fault = None,
    seed: Seed = None,
    clear: Annotated[bool, typer.Option("--clear", help="Let nothing go wrong any more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show what goes wrong in the sandbox that runs in the folder, or switch it: what is given replaces what was.

    A seed alone changes what the faults in force are drawn from.
    """
    from makegood.cli import sandboxing

    if clear and fault:
        raise CommandFailed("say what goes wrong, with --fault, or that nothing does, with --clear")
    sandboxing.faults(data, [] if clear else fault, seed, as_json=json)
