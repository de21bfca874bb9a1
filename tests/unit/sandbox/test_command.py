"""`makegood sandbox`: it runs alone, says what to do next, and its faults are switched beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
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


def test_what_the_folder_could_not_bear_is_not_kept(tmp_path: Path) -> None:
    """More rules than there may be, and a seed out of bounds, are refused, and the folder starts as before."""
    data = tmp_path / "sandbox"
    many = [word for _ in range(65) for word in ("--fault", "lose")]
    for options in (many, ["--fault", "lose", "--seed", str(2**53 + 1)], ["--seed", str(2**53 + 1)]):
        assert said("--data", str(data), "--port", "0", *options, status=1 if options is many else 2)
    beside = [sys.executable, "-m", "makegood.sandbox", "--data", str(data), "--port", "0"]
    for options in (many, ["--fault", "lose", "--seed", str(2**53 + 1)], ["--seed", "-1"], ["--clock-speed", "0.001"]):
        done = subprocess.run([*beside, *options], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    with running(data):
        assert said("faults", "--data", str(data)) == "Nothing goes wrong by a rule.\n"
        refused = said("faults", "--data", str(data), *many, status=1)
        assert "at most 64" in refused


def test_unreadable_settings_are_said_in_one_line(tmp_path: Path) -> None:
    """A folder that holds what cannot be read is named, in one line."""
    data = tmp_path / "sandbox"
    with running(data):
        pass
    with closing(apsw.Connection(str(data / "sandbox.sqlite"))) as ledger:
        ledger.execute("UPDATE settings SET value = ? WHERE name = 'faults'", [json.dumps({"seed": 2**60})])
    refused = said("--data", str(data), "--port", "0", status=1)
    assert str(data) in refused
    assert refused.count("\n") == 1


def test_seed_alone_and_the_speed_are_kept(tmp_path: Path) -> None:
    """A seed alone changes that of the faults in force; the clock goes on at the speed that was set last."""
    data = tmp_path / "sandbox"
    with running(data, "--fault", "lose=0.5", "--seed", "7") as url:
        assert said("faults", "--data", str(data), "--seed", "8") == "lose=0.5\nseed: 8\n"
        assert httpx.post(f"{url}/control/clock", json={"speed": 20}).status_code == 200
    with running(data, "--seed", "9") as url:
        assert said("faults", "--data", str(data)) == "lose=0.5\nseed: 9\n"
        assert httpx.get(f"{url}/control/clock").json()["speed"] == 20
    with running(data, "--clock-speed", "2") as url:
        assert said("faults", "--data", str(data)) == "lose=0.5\nseed: 9\n"
        assert httpx.get(f"{url}/control/clock").json()["speed"] == 2


def test_refusal_of_the_server_is_told_as_one(tmp_path: Path) -> None:
    """A sandbox that answers with a refusal is not said to be silent."""
    data = tmp_path / "sandbox"
    with running(data) as url:
        (data / "sandbox.json").write_text(json.dumps({"url": f"{url}/nowhere"}))
        refused = said("faults", "--data", str(data), status=1)
    assert "status 404" in refused
    assert "does not answer" not in refused
