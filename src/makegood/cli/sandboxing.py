"""What `makegood sandbox` does."""

from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
from rich.console import Console

from makegood.cli.failure import CommandFailed
from makegood.sandbox.directory import SandboxError
from makegood.sandbox.faults import Faults, NotificationFault, faults_of, written
from makegood.sandbox.server import run_sandbox

TIMEOUT = 10.0
"""Seconds that a running sandbox may take to answer."""


class Wishes(NamedTuple):
    """What the options of `makegood sandbox` say beside where it runs."""

    faults: list[str]
    seed: int | None
    allow_remote_notify: bool


def run(data: Path, host: str, port: int, clock_speed: float | None, wishes: Wishes) -> None:
    """Runs the sandbox until a signal comes."""
    wanted = _faults(wishes.faults, wishes.seed) if wishes.faults else None
    try:
        run_sandbox(
            data,
            host,
            port,
            clock_speed,
            allow_remote_notify=wishes.allow_remote_notify,
            faults=wanted,
            seed=wishes.seed,
            greet=lambda url: _greet(url, data),
        )
    except SandboxError as error:
        raise CommandFailed(str(error)) from error


def faults(data: Path, wanted: list[str] | None, seed: int | None, *, as_json: bool) -> None:
    """Shows the faults of the sandbox that runs in the folder, after replacing them when there is a wish.

    A seed without faults changes that of those in force. Raises CommandFailed.
    """
    change = None if wanted is None else _faults(wanted, seed)
    url = f"{_url(data)}/control/faults"
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT) as http:
            found = _found(http.get(url) if change is None else _posted(http, url, change))
            if change is None and seed is not None:
                found = _found(_posted(http, url, msgspec.structs.replace(found, seed=seed)))
    except (httpx.TransportError, msgspec.MsgspecError) as error:
        raise CommandFailed(f"the sandbox of {data} does not answer ({error}): start it, or give its --data") from error
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    if found.notifications is not NotificationFault.NORMAL:
        console.print(f"all notifications: {found.notifications}")
    for rule in found.rules:
        console.print(written(rule), markup=False)
    console.print(f"seed: {found.seed}" if found.rules else "Nothing goes wrong by a rule.")


_HEADERS = {"Content-Type": "application/json"}


def _posted(http: httpx.Client, url: str, faults: Faults) -> httpx.Response:
    return http.post(url, content=msgspec.json.encode(faults), headers=_HEADERS)


def _found(answer: httpx.Response) -> Faults:
    """The faults that it says. Raises CommandFailed for a refusal, MsgspecError for what no sandbox says."""
    if not answer.is_success:
        said = msgspec.json.decode(answer.content, type=_Refusal, strict=False)
        raise CommandFailed(f"the sandbox refused, with status {answer.status_code}: {said.detail or said.message}")
    return msgspec.json.decode(answer.content, type=Faults)


def _faults(wanted: list[str], seed: int | None) -> Faults:
    try:
        return faults_of(wanted, seed or 0)
    except ValueError as error:
        raise CommandFailed(str(error)) from error


class _Refusal(msgspec.Struct, frozen=True):
    detail: str = ""
    message: str = ""


class _About(msgspec.Struct, frozen=True):
    url: str


def _url(data: Path) -> str:
    try:
        return msgspec.json.decode((data / "sandbox.json").read_bytes(), type=_About).url
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandFailed(f"no sandbox runs in {data}: start one with `makegood sandbox --data {data}`") from error


def _greet(url: str, data: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"The payment sandbox listens at {url}", markup=False)
    console.print(f"its page:           {url}/  (trades, notifications, faults, the clock)", markup=False)
    console.print(f"merchants and keys: {data.resolve() / 'sandbox.json'}  (for your shop or an SDK)", markup=False)
    console.print(f"let things go wrong: makegood sandbox faults --data {data} --fault duplicate=0.3", markup=False)
    console.print("Ctrl-C stops it; what it knows stays.", markup=False)
