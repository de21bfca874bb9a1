"""`makegood replay`."""

import os
import sys
from pathlib import Path

import uvloop

from makegood.cli.failure import CommandFailed
from makegood.cluster.settings import reached_by
from makegood.config import Config, ConfigError
from makegood.embedded.directory import Directory, DirectoryError, RunFile


def replay(data: Path, config: Path | None, baskets: int | None, concurrency: int, *, as_json: bool) -> None:
    """Replays into the folder's running shop, or the cluster configured; exits with 1 when anything differs."""
    try:
        from makegood.replay.command import replay as replay_baskets
        from makegood.replay.errors import ReplayError
    except ModuleNotFoundError as error:
        raise CommandFailed(
            f"replay needs {error.name}: install the development dependencies (`make .venv`)"
        ) from error
    try:
        run = _running(data, config)
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
    except (ReplayError, DirectoryError, ConfigError) as error:
        raise CommandFailed(str(error)) from error
    sys.exit(status)


def _running(data: Path, config: Path | None) -> RunFile:
    if config is not None:
        return reached_by(Config.load(config, os.environ))
    run = Directory(data).running()
    if run is None:
        raise CommandFailed(f"no shop runs in {data}: start it with `makegood run --data {data}` and replay again")
    return run
