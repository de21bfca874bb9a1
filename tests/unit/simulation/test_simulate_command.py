"""`makegood simulate`, as a person or a program runs it."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

MAKEGOOD = (sys.executable, "-m", "makegood", "simulate")


def simulate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command's end."""
    return subprocess.run([*MAKEGOOD, *arguments], capture_output=True, text=True, timeout=100, check=False)


def decoded(text: str) -> dict[str, Any]:
    """What the command printed for programs."""
    return msgspec.json.decode(text, type=dict[str, Any])


def test_the_help_names_what_one_can_say() -> None:
    """Every option is in the help."""
    shown = re.sub(r"\x1b\[[\d;]*m", "", simulate("--help").stdout)
    for option in ("seed", "seeds", "from", "orders", "faults", "steps", "leave-out", "only", "buyer", "explain"):
        assert f"--{option}" in shown


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--seed", "1", "--seeds", "2"), 1, "say which worlds"),
        (("--about", "key-1-0"), 1, "say which, with --seed N"),
        (("--leave-out", "rain-1"), 1, "rain-1 is no fault: say a kind"),
        (("--leave-out", "death", "--only", "death"), 1, "not both"),
        (("--orders", "9", "--buyer", "3"), 1, "buyers have numbers from 0 to 2 in a world of 9 orders"),
        (("--orders", "0"), 2, "--orders"),
        (("--faults", "-1"), 2, "--faults"),
        (("--steps", "0"), 2, "--steps"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], status: int, said: str) -> None:
    """A wrong option is refused with a line that says what to do, and no world is run."""
    ended = simulate(*arguments)
    assert ended.returncode == status
    assert said in ended.stderr
    assert not ended.stdout


def test_one_world_has_one_trace() -> None:
    """A seed gives the same world in every process, and a small one with faults keeps every promise."""
    first, again = (simulate("--seed", "3", "--orders", "12", "--json") for _ in range(2))
    assert first.returncode == 0, first.stderr
    told, repeated = decoded(first.stdout), decoded(again.stdout)
    assert told["digest"] == repeated["digest"]
    assert told["report"]["ok"]
    assert (told["report"]["worlds"], told["report"]["orders"]) == (1, 12)
    assert sum(one["injected"] for one in told["report"]["faults"]) > 0
    assert told["explained"] == []


def test_without_faults_nothing_fails() -> None:
    """With all rates at zero no fault is injected, and a person reads that every promise held."""
    ended = simulate("--seeds", "2", "--from", "5", "--orders", "9", "--faults", "0")
    assert ended.returncode == 0, ended.stderr
    assert "Every promise held, in worlds: 2." in ended.stdout
    assert "2/2" in ended.stderr
    assert re.search(r"all\s+│\s+│\s+0 │", ended.stdout)


def test_a_story_is_told_when_asked_for() -> None:
    """With `--about` one reads what became of an order, though nothing is broken."""
    ended = simulate("--seed", "3", "--orders", "12", "--about", "key-2-0", "--json")
    lines = decoded(ended.stdout)["story"]
    assert any("key='key-2-0'" in line for line in lines)
    assert not any("key='key-1-0'" in line for line in lines)


def test_control_c_ends_it() -> None:
    """An interrupt ends the command and its processes within seconds, with status 130 and no traceback."""
    command = [*MAKEGOOD, "--seeds", "10000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_interrupts)
    try:
        _wait_for_workers(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors


def _hears_interrupts() -> None:
    """What is started in the background of a script is born deaf to them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_for_workers(pid: int) -> None:
    """Returns when it has a process that runs worlds, besides the one that looks after resources."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until = time.monotonic() + 60
    while len(children.read_text().split()) < 2:
        assert time.monotonic() < until, "no world was begun"
        time.sleep(0.05)


def test_a_rate_that_is_none_is_refused() -> None:
    """A kind that there is not, no number, and a number above 1 end in one line that says what to write."""
    for wrong in ("dead=0.5", "death", "death=often", "death=2"):
        ended = simulate("--seed", "1", "--rate", wrong)
        assert ended.returncode == 1
        assert "--rate" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
