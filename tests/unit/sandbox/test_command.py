"""`makegood sandbox`: it runs alone, says what to do next, and its faults are switched beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

MAKEGOOD = [str(Path(sys.executable).with_name("makegood")), "sandbox"]


@contextmanager
def running(data: Path, *options: str) -> Generator[str]:
    """The command, until the block ends; where it listens."""
    log = data.with_suffix(".log")
    (data / "sandbox.json").unlink(missing_ok=True)
    with log.open("ab") as output:
        command = [*MAKEGOOD, "--data", str(data), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while not (data / "sandbox.json").exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield json.loads((data / "sandbox.json").read_text())["url"]
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def said(*arguments: str, status: int = 0) -> str:
    """What the command prints."""
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [*MAKEGOOD, *arguments], capture_output=True, text=True, timeout=30, check=False, env=environment
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_it_runs_alone_and_remembers(tmp_path: Path) -> None:
    """It says where its page and its keys are; faults given at the start, or beside it, survive a restart."""
    data = tmp_path / "sandbox"
    with running(data, "--fault", "duplicate=0.5", "--seed", "7") as url:
        assert httpx.get(f"{url}/").status_code == 200
        assert said("faults", "--data", str(data)) == "duplicate=0.5\nseed: 7\n"
        shown = said("faults", "--data", str(data), "--fault", "wechatpay:slow=0.5/3", "--seed", "9", "--json")
        assert json.loads(shown)["rules"] == [
            {"kind": "slow", "platform": "wechatpay", "probability": 0.5, "seconds": 3.0}
        ]
    greeting = data.with_suffix(".log").read_text()
    for text in (f"listens at {url}", f"{url}/  (trades", str(data / "sandbox.json"), "makegood sandbox faults"):
        assert text in greeting
    with running(data):
        assert said("faults", "--data", str(data)) == "wechatpay:slow=0.5/3\nseed: 9\n"
        assert said("faults", "--data", str(data), "--clear") == "Nothing goes wrong by a rule.\n"


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    """No sandbox there, no such fault, and two wishes at once."""
    data = str(tmp_path / "none")
    assert "no sandbox runs in" in said("faults", "--data", data, status=1)
    refused = said("--data", data, "--fault", "nonsense", status=1)
    assert "write [PLATFORM:]KIND" in refused
    assert refused.count("\n") == 1
    assert "--clear" in said("faults", "--data", data, "--clear", "--fault", "lose", status=1)
