"""`python -m makegood.sandbox --data DIR`: the sandbox alone."""

import argparse
import sys
from pathlib import Path

from .directory import SandboxError
from .faults import Faults, faults_of
from .server import run_sandbox


def main() -> int:
    """Runs the sandbox; the exit status is 1 when it cannot, after one line that says what to do."""
    arguments = _parser().parse_args()
    try:
        run_sandbox(
            arguments.data,
            arguments.host,
            arguments.port,
            arguments.clock_speed,
            allow_remote_notify=arguments.allow_remote_notify,
            parent=arguments.parent,
            faults=_faults(arguments.fault, arguments.seed),
            seed=arguments.seed,
        )
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m makegood.sandbox", description="A payment platform to test against.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the sandbox's state")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--clock-speed", type=float, help="virtual seconds in a real one (default: as before; 1)")
    parser.add_argument("--allow-remote-notify", action="store_true", help="notify merchants on other machines, too")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this parent process has ended")
    parser.add_argument("--fault", action="append", default=[], help="[PLATFORM:]KIND[=PROBABILITY][/SECONDS]")
    parser.add_argument("--seed", type=int, help="what faults are drawn from (default: as before; 0)")
    return parser


def _faults(written: list[str], seed: int | None) -> Faults | None:
    """What the options say; None when they say nothing, and the last run's faults stay."""
    if not written:
        return None
    try:
        return faults_of(written, seed or 0)
    except ValueError as error:
        raise SandboxError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
