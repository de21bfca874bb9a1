"""`makegood load`, `audit` and `dead-letters`: through a shop's operators' API.

The shop is the cluster that is configured, the one that runs in the folder, or one that runs for as long as they do.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from makegood.cli.failure import CommandFailed
from makegood.cli.replays import Replay, replay
from makegood.cli.running import FAILURES, shop_in
from makegood.operators.client import OperatorClient

T = TypeVar("T")
PAGE = 100


class Where(NamedTuple):
    """Which shop: a folder, or a cluster's configuration."""

    data: Path
    config: Path | None


def load(files: Sequence[Path], where: Where, *, as_json: bool) -> None:
    """Takes the files in, one after the other; stops at the first that is refused."""

    async def work(operator: OperatorClient) -> list[dict[str, Any]]:
        reports: list[dict[str, Any]] = []
        with Progress(console=Console(stderr=True), disable=as_json) as progress:
            for file in progress.track(files, description="loading"):
                reports.append({"file": str(file), **await operator.load(_read(file), file)})
        return reports

    reports = with_operator(where, work, create=True)
    if as_json:
        _print_json(reports)
    for report in () if as_json else reports:
        print(f"{report['file']}: " + ", ".join(f"{key} {value}" for key, value in report.items() if key != "file"))


def audit(where: Where, *, as_json: bool) -> None:
    """Prints a line for each promise; exits with 1 when one is broken."""
    report = with_operator(where, lambda operator: operator.audit())
    if as_json:
        _print_json(report)
    else:
        Console().print(_audit_table(report))
    if any(promise["broken"] for promise in report["promises"]):
        sys.exit(1)


def list_dead_letters(where: Where, after: str | None, limit: int, *, as_json: bool) -> None:
    """Prints one page."""
    page = with_operator(where, lambda operator: operator.dead_letters(after, limit))
    if as_json:
        _print_json(page)
        return
    console = Console()
    console.print(_letters_table(page["dead_letters"]) if page["dead_letters"] else "No dead letters.")
    if page.get("next"):
        console.print(f"There are more: --after {page['next']}", soft_wrap=True)


def replay_dead_letters(where: Where, ids: Sequence[str] | None, *, as_json: bool) -> None:
    """Replays some or all, and says what became of each.

    Exits with 1 when one is not there or has failed again.
    """

    async def work(operator: OperatorClient) -> list[Replay]:
        chosen = ids or [letter["id"] for letter in await _all_letters(operator)]
        with Progress(console=Console(stderr=True), disable=as_json) as progress:
            parts = progress.track(range(0, len(chosen), PAGE), description="replaying")
            return [one for begin in parts for one in await replay(operator, chosen[begin : begin + PAGE])]

    done = with_operator(where, work)
    if as_json:
        _print_json([one._asdict() for one in done])
    else:
        for one in done:
            print(f"{one.id}: {_told(one)}")
        print(f"{sum(one.outcome == 'handled' for one in done)} of {len(done)} handled")
    if any(one.outcome in ("gone", "failed") for one in done):
        sys.exit(1)


def _told(one: Replay) -> str:
    match one.outcome:
        case "handled":
            return "handled"
        case "failed":
            return f"failed again: {one.error}"
        case "waiting":
            return "is to be tried, and has not been yet: list the dead letters again a little later"
        case "gone":
            return "is not there; list them again"


async def _all_letters(operator: OperatorClient) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = await operator.dead_letters(after, PAGE)
        letters.extend(page["dead_letters"])
        after = page.get("next")
        if not after:
            return letters


def with_operator(where: Where, work: Callable[[OperatorClient], Awaitable[T]], *, create: bool = False) -> T:
    """What `work` gives with the shop's operators' API. Raises CommandFailed."""

    async def connected() -> T:
        async with shop_in(where.data, where.config, create=create) as run, OperatorClient(run) as operator:
            return await work(operator)

    try:
        return asyncio.run(connected())
    except FAILURES as error:
        raise CommandFailed(str(error)) from error


def _audit_table(report: dict[str, Any]) -> Table:
    table = Table("promise", "what must hold", "checked", "broken")
    for promise in report["promises"]:
        style = "red" if promise["broken"] else ""
        table.add_row(
            promise["promise"], promise["title"], str(promise["checked"]), str(promise["broken"]), style=style
        )
        for example in promise["examples"]:
            table.add_row("", example, "", "", style=style)
    return table


def _letters_table(letters: Sequence[dict[str, Any]]) -> Table:
    table = Table("id", "group", "event", "key", "tries", "next try", "error")
    for one in letters:
        event = f"{one['topic']}: {one['tag']}"
        next_try = one["next_at"] or "buried"
        table.add_row(one["id"], one["group"], event, one["key"], str(one["tries"]), next_try, one["error"][:200])
    return table


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
