"""deploy/local/cluster with the real servers: up, status, kill, start, stop, down."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deploy.local.clusterlib.cluster import Cluster
from deploy.local.clusterlib.ports import LOOPBACK
from deploy.local.clusterlib.site import ROOT

from tests.cluster.servers import OwnMariaDb, OwnRocketmq, OwnZookeeper, own_ports, take_down_left

SCRIPT = ROOT / "deploy" / "local" / "cluster"
SECONDS = 900.0


class Script:
    """The command, as a person calls it, on a folder of a test's own."""

    def __init__(self, folder: Path, base: int) -> None:
        self.folder = folder
        self.base = base

    def __call__(self, command: str, *names: str, status: int = 0) -> str:
        """What it printed; it must end with this status."""
        ports = ["--port-base", str(self.base)] if command == "up" else []
        arguments = [
            sys.executable,
            str(SCRIPT),
            command,
            *names,
            "--folder",
            str(self.folder),
            *ports,
            "--timeout",
            "600",
        ]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pid(self, name: str) -> int | None:
        """The pid of a process, from the folder."""
        return Cluster.open(self.folder, create=False).processes[name].pid


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Script]:
    """The command on free ports; whatever it left running is ended."""
    with own_ports() as base:
        folder = tmp_path / "cluster"
        yield Script(folder, base)
        Cluster.open(folder, create=False).kill_all()


@pytest.mark.parametrize(
    ("group", "one"), [("mariadb", "mariadb"), ("zookeeper", "zookeeper-2"), ("rocketmq", "broker")]
)
def test_a_server_lives_through_everything(cluster: Script, group: str, one: str) -> None:
    """Started, seen, killed, missed, started again, stopped, and all taken down: each as it was said."""
    cluster("up", group)
    first = cluster.pid(one)
    assert "down" not in cluster("status", group)
    assert "killed" in cluster("kill", one)
    assert f"{one} does not run" in cluster("kill", one, status=1)
    assert "down" in cluster("status", group, status=1)
    assert "ready" in cluster("start", one)
    assert cluster.pid(one) not in (None, first)
    cluster("status", group)
    assert "stopped" in cluster("stop", one)
    assert cluster.pid(one) is None
    cluster("up", group)
    assert f"{one}: stopped" in cluster("down")
    assert "nothing runs" in cluster("down")
    assert str(cluster.folder / "log" / f"{one}.log") in cluster("logs", one)
    cluster("wipe")
    assert not cluster.folder.exists()


def test_up_again_changes_nothing(cluster: Script) -> None:
    """A second `up` finds what runs, also while the first is still at it."""
    with ThreadPoolExecutor() as threads:
        running = [threads.submit(cluster, "up", "mariadb", "zookeeper") for _ in range(3)]
    said = [one.result() for one in running]
    assert "".join(said).count("mariadb: started") == 1
    assert all("mariadb: ready" in one for one in said)
    before = [cluster.pid(name) for name in ("mariadb", "zookeeper-1", "zookeeper-2", "zookeeper-3")]
    assert "started" not in cluster("up", "mariadb", "zookeeper")
    assert [cluster.pid(name) for name in ("mariadb", "zookeeper-1", "zookeeper-2", "zookeeper-3")] == before


def test_a_taken_port_is_an_error(cluster: Script, tmp_path: Path) -> None:
    """Where somebody else listens nothing is started, and the error says what to do."""
    plan = Cluster.open(tmp_path / "plan", base=cluster.base).site.ports
    with socket.create_server((LOOPBACK, plan["mariadb"])):
        said = cluster("up", "mariadb", status=1)
    assert f"mariadb: port {plan['mariadb']} is taken" in said
    assert "--port-base" in said
    assert cluster.pid("mariadb") is None


def test_ports_do_not_move_under_a_running_cluster(cluster: Script) -> None:
    """Other ports are refused while anything runs."""
    cluster("up", "mariadb")
    cluster.base += 1
    said = cluster("up", "mariadb", status=1)
    assert "mariadb run in" in said
    assert "cluster down" in said


def test_what_does_not_start_shows_its_log(cluster: Script) -> None:
    """When a server ends at once, the error holds the end of its log."""
    cluster("up", "mariadb")
    cluster("down")
    (cluster.folder / "mariadb" / "data" / "ibdata1").write_bytes(b"no tablespace")
    said = cluster("up", "mariadb", status=1)
    assert "mariadb has ended; its log" in said
    assert "ibdata1" in said


def test_committed_rows_survive_a_kill() -> None:
    """What MariaDB has committed is there after kill -9."""
    with OwnMariaDb() as own:
        _query(own, "CREATE DATABASE makegood_kill; CREATE TABLE makegood_kill.kept (id INT PRIMARY KEY)")
        _query(own, "INSERT INTO makegood_kill.kept VALUES (7)")
        own.kill("mariadb")
        own.start("mariadb")
        assert _query(own, "SELECT id FROM makegood_kill.kept") == "7"


def test_the_user_has_its_own_databases_only() -> None:
    """The shop's user can do nothing outside the schemas whose name begins with makegood_."""
    with OwnMariaDb() as own, pytest.raises(subprocess.CalledProcessError):
        _query(own, "CREATE DATABASE other")


def test_what_a_killed_run_left_is_ended() -> None:
    """After kill -9 of a test run its own servers can be ended; those of a living one go on."""
    run = "import time; from tests.cluster.servers import OwnMariaDb as Own\n"
    run += "with Own() as own:\n print(own.site.folder, flush=True); time.sleep(1000)"
    with (
        OwnMariaDb() as living,
        subprocess.Popen([sys.executable, "-c", run], cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed,
    ):
        assert killed.stdout is not None
        folder = Path(killed.stdout.readline().strip())
        left = Cluster.open(folder, create=False).processes["mariadb"]
        killed.kill()
        killed.wait()
        assert left.pid
        take_down_left()
        assert left.pid is None
        assert not folder.exists()
        living.wait_ready()


def test_own_zookeepers_elect_another_leader() -> None:
    """Without its leader the ensemble is still one, and the killed one comes back as a follower."""
    with OwnZookeeper() as own:
        leader = own.leader()
        own.kill(leader)
        assert own.leader() != leader
        own.start(leader)
        own.wait_ready()
        assert own.leader() != leader


def test_own_rocketmq_comes_back() -> None:
    """After kill -9 of each process, the name server knows the broker again and its proxy listens."""
    with OwnRocketmq() as own:
        for name in ("broker", "name-server"):
            own.kill(name)
            own.start(name)
            own.wait_ready()
        own.stop("rocketmq")
        own.start("rocketmq")


def _query(own: OwnMariaDb, text: str) -> str:
    settings = own.site.folder / "mariadb" / "client.cnf"
    command = ["mariadb", f"--defaults-file={settings}", "--batch", "--skip-column-names", f"--execute={text}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
