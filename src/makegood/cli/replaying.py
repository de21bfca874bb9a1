"""`makegood replay`."""

import sys
from pathlib import Path

import uvloop

from makegood.cli.failure import CommandFailed
from makegood.embedded.directory import Directory, DirectoryError


def replay(data: Path, baskets: int | None, concurrency: int, *, as_json: bool) -> None:
    """Replays into the shop that runs in the folder; exits with 1 when anything differs."""
    try:
        from makegood.replay.command import replay as replay_baskets
        from makegood.replay.errors import ReplayError
    except ModuleNotFoundError as error:
        raise CommandFailed(
            f"replay needs {error.name}: install the development dependencies (`make .venv`)"
        ) from error
    try:
        run = Directory(data).running()
        if run is None:
            raise CommandFailed(f"no shop runs in {data}: start it with `makegood run --data {data}` and replay again")
        status = uvloop.run(
            replay_baskets(
                run.url,
                run.operators_token,
                baskets=baskets,
                concurrency=concurrency,
                json_output=as_json,
                sandbox_url=run.sandbox_url,
            )
        )
    except (ReplayError, DirectoryError) as error:
        raise CommandFailed(str(error)) from error
    sys.exit(status)
