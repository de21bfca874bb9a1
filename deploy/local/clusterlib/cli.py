"""The command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .cluster import READY_SECONDS, Cluster
from .errors import ClusterError
from .site import ROOT

COMMANDS = {
    "up": "start what does not run, and wait until it is ready",
    "down": "stop it, the last started first",
    "status": "show it; the exit status is 0 only when all runs and is ready",
    "kill": "kill -9",
    "stop": "stop",
    "start": "start again, with the same data",
    "wipe": "stop everything and delete the folder with all data",
    "logs": "show the end of the logs",
}
NEED_NAMES = ("kill", "stop", "start", "logs")
LOG_LINES = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command in NEED_NAMES and not chosen.names:
        parser.error(f"{chosen.command}: say which; `status` lists the names")
    if chosen.command == "wipe" and chosen.names:
        parser.error("wipe: takes no names, it deletes everything")
    try:
        return _run(chosen)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cluster: interrupted; what was started goes on running, `cluster down` ends it", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:7} {what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="cluster",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Runs makegood as separate processes on the real servers, on this machine.\n\ncommands:\n{lines}",
        epilog="Names: see `cluster status`; groups of them: servers, zookeeper, rocketmq, services. None: all.",
    )
    add = parser.add_argument
    add("command", choices=COMMANDS, metavar="command", help="one of the above")
    add("names", nargs="*", metavar="NAME", help="processes or groups of them")
    add("--folder", type=Path, default=ROOT / "build" / "cluster", help="the cluster's data (default build/cluster)")
    add("--port-base", type=int, help="put all its ports in a row from here")
    add("--port", type=_port, action="append", default=[], metavar="NAME=N", help="a port of its own for one of them")
    add("--flush", choices=("SYNC", "ASYNC"), help="whether the broker has a message on disk before it says so")
    add("--timeout", type=float, default=READY_SECONDS, help="seconds until it must be ready (default %(default).0f)")
    return parser


def _port(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not number.isascii() or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=NUMBER")
    return name, int(number)


def _run(chosen: argparse.Namespace) -> int:
    cluster = Cluster.open(
        chosen.folder,
        create=chosen.command == "up",
        base=chosen.port_base,
        ports=dict(chosen.port),
        flush=chosen.flush,
        seconds=chosen.timeout,
    )
    match chosen.command:
        case "up":
            cluster.up(chosen.names)
        case "start":
            cluster.start(chosen.names)
        case "down" | "stop":
            cluster.down(chosen.names)
        case "kill":
            cluster.kill(chosen.names)
        case "wipe":
            cluster.wipe()
        case "logs":
            _print_logs(cluster, chosen.names)
        case _:
            return _print_status(cluster, chosen.names)
    return 0


def _print_status(cluster: Cluster, names: Sequence[str]) -> int:
    states = cluster.status(names)
    print(f"{'NAME':14}{'PID':>8}{'PORT':>7}{'MiB':>6}  STATE")
    for one in states:
        print(f"{one.name:14}{one.pid or '-':>8}{one.port:>7}{one.memory or '-':>6}  {one.missing or 'ready'}")
    return int(any(one.missing for one in states))


def _print_logs(cluster: Cluster, names: Sequence[str]) -> None:
    for process in cluster.chosen(names):
        print(f"==> {process.log} <==\n{process.tail(LOG_LINES)}")
