"""One process of the local cluster: it is known by its pid and its start, and nothing else is ever ended."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from deploy.local.clusterlib.errors import ClusterError
from deploy.local.clusterlib.ports import LOOPBACK
from deploy.local.clusterlib.process import MOST_LOG, Identity, Process, is_alive, started_at
from deploy.local.clusterlib.program import Program

Make = Callable[[str], Process]
WAIT = 20.0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Make]:
    """Makes processes of shell scripts, and ends them after the test."""
    made: list[Process] = []

    def make(script: str) -> Process:
        program = Program(
            "sleeper", 0, command=lambda: ["/bin/sh", "-c", script], ports=[], missing=lambda: None, stop_seconds=0.5
        )
        made.append(Process(program, tmp_path))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(ClusterError):
            one.kill()


def test_runs_until_killed(process: Make) -> None:
    """A launched process has a pid and memory until it is killed; killing it again finds nothing."""
    sleeper = process("exec sleep 100")
    assert sleeper.pid is None
    assert not sleeper.kill()
    sleeper.launch()
    assert sleeper.pid
    assert Path(f"/proc/{sleeper.pid}").exists()
    assert sleeper.memory() is not None
    assert sleeper.kill()
    assert sleeper.pid is None
    assert sleeper.memory() is None
    assert not sleeper.kill()


def test_has_a_session_of_its_own(process: Make) -> None:
    """Ctrl-C in the terminal, or its end, does not reach a process of the cluster."""
    sleeper = process("exec sleep 100")
    sleeper.launch()
    assert sleeper.pid
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_is_found_by_others(process: Make) -> None:
    """Another command on the same folder finds the process, and ends it."""
    process("exec sleep 100").launch()
    other = process("exec sleep 100")
    assert other.pid
    assert other.signal_stop()
    assert not other.await_stop()
    assert other.pid is None


def test_a_stubborn_one_is_killed(process: Make) -> None:
    """What does not stop in time is killed, and the caller is told."""
    stubborn = process("trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    stubborn.launch()
    _await(lambda: "deaf" in stubborn.tail())
    assert stubborn.signal_stop()
    assert stubborn.await_stop()
    assert stubborn.pid is None


def test_another_process_with_the_pid_is_left_alone(process: Make, tmp_path: Path) -> None:
    """A pid that belongs to another process now is nobody of ours: it is neither shown nor killed."""
    with subprocess.Popen(["/bin/sleep", "100"]) as stranger:
        try:
            (tmp_path / "run").mkdir()
            recycled = {"pid": stranger.pid, "started": started_at(stranger.pid) - 1}
            (tmp_path / "run" / "sleeper.pid").write_text(json.dumps(recycled))
            sleeper = process("exec sleep 100")
            assert sleeper.pid is None
            assert not sleeper.kill()
            assert not sleeper.signal_stop()
            assert not sleeper.await_stop()
            assert stranger.poll() is None
            (tmp_path / "run" / "sleeper.pid").write_text(json.dumps(recycled))
            sleeper.launch()
            assert sleeper.pid not in (None, stranger.pid)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_dead_child_is_not_alive() -> None:
    """A process that has ended, but was not waited for, does not run."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    identity = Identity(pid, started_at(pid))
    _await(lambda: not is_alive(identity))


def test_a_taken_port_is_named(process: Make) -> None:
    """A port on which somebody listens is named, and nothing is started."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
        sleeper = process("exec sleep 100")
        busy = Process(replace(sleeper.program, ports=[port]), sleeper.log.parents[1])
        with pytest.raises(ClusterError, match=rf"sleeper: port {port} is taken: .*--port"):
            busy.launch()
        assert busy.pid is None


def test_a_missing_program_is_named(process: Make) -> None:
    """What cannot be run is an error that names it."""
    sleeper = process("")
    absent = Process(replace(sleeper.program, command=lambda: ["/nowhere/mariadbd"]), sleeper.log.parents[1])
    with pytest.raises(ClusterError, match="/nowhere/mariadbd cannot be run: No such file"):
        absent.launch()


def test_a_spoilt_pid_file_says_what_to_do(process: Make, tmp_path: Path) -> None:
    """Whatever is in a pid file, nothing is killed for it, and the error says what to do."""
    (tmp_path / "run").mkdir()
    for text in ("", "1", "{}", '{"pid": null, "started": 1}'):
        (tmp_path / "run" / "sleeper.pid").write_text(text)
        with pytest.raises(ClusterError, match="delete it"):
            process("exec sleep 100").kill()


def test_the_log_is_kept_within_bounds(process: Make) -> None:
    """A log that has grown is put aside at the next start; its end is what `logs` shows."""
    sleeper = process("echo one; echo two; exec sleep 100")
    sleeper.log.parent.mkdir()
    sleeper.log.write_bytes(b"x" * (MOST_LOG + 1))
    sleeper.launch()
    _await(lambda: sleeper.tail() == "one\ntwo")
    assert sleeper.log.with_suffix(".log.1").stat().st_size == MOST_LOG + 1


def _await(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)
