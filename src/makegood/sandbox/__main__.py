"""`python -m makegood.sandbox --data DIR`: the sandbox alone."""

import argparse
import sys
from pathlib import Path

from .directory import SandboxError
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
    parser.add_argument("--clock-speed", type=float, default=1.0, help="virtual seconds in a real one (default: 1)")
    parser.add_argument("--allow-remote-notify", action="store_true", help="notify merchants on other machines, too")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this parent process has ended")
    return parser


if __name__ == "__main__":
    sys.exit(main())
