"""The folder and the ports of a local cluster."""

import json
import socket
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deploy.local.clusterlib.cli import main
from deploy.local.clusterlib.cluster import Cluster
from deploy.local.clusterlib.errors import ClusterError
from deploy.local.clusterlib.http2 import greets
from deploy.local.clusterlib.ports import LOOPBACK, SPAN, STANDARD, chosen, from_base, is_free, is_open
from deploy.local.clusterlib.services import SERVICES, write_config
from deploy.local.clusterlib.site import open_site
from deploy.local.clusterlib.table import GROUPS, expand, programs
from hypothesis import given
from hypothesis import strategies as st

from makegood.config import Config


@given(st.integers(1, 65_535 - SPAN))
def test_a_base_gives_ports_of_ones_own(base: int) -> None:
    """From a base every process gets other ports, all within the span; a broker has room for its other two."""
    ports = from_base(base)
    broker = ports["broker"]
    used = [*ports.values(), broker - 2, broker + 1]
    assert list(ports) == list(STANDARD)
    assert len(set(used)) == len(used)
    assert all(base <= port < base + SPAN for port in used)


def test_standard_ports_do_not_meet() -> None:
    """No two processes share a standard port."""
    used = [*STANDARD.values(), STANDARD["broker"] - 2, STANDARD["broker"] + 1]
    assert len(set(used)) == len(used)


def test_ports_are_refused_with_a_reason() -> None:
    """A base or a port that cannot be is refused, and so is a name that nobody has."""
    with pytest.raises(ClusterError, match="--port-base 65500: give 1 to"):
        from_base(65_500)
    with pytest.raises(ClusterError, match="there is no port 'mysql'; there are mariadb"):
        chosen(None, {"mysql": 3306}, {})
    with pytest.raises(ClusterError, match="--port mariadb=70000: give"):
        chosen(None, {"mariadb": 70_000}, {})


def test_a_busy_port_is_not_free() -> None:
    """A port is free or open as it is, also when somebody listens on all addresses."""
    for address in (LOOPBACK, "0.0.0.0"):
        with socket.create_server((address, 0)) as server:
            port: int = server.getsockname()[1]
            assert is_open(port)
            assert not is_free(port)
        assert not is_open(port)
        assert is_free(port)


def test_a_greeting_is_a_settings_frame() -> None:
    """A gRPC server answers once it greets: not when it only listens, and not when something else answers."""
    for said, greeted in ((bytes.fromhex("000000 04 00 00000000"), True), (b"HTTP/1.1 400\r\n", False), (b"", False)):
        with socket.create_server((LOOPBACK, 0)) as server, ThreadPoolExecutor() as threads:
            answer = threads.submit(greets, server.getsockname()[1])
            with server.accept()[0] as one:
                one.sendall(said)
            assert answer.result() is greeted


def test_a_folder_keeps_its_plan(tmp_path: Path) -> None:
    """Ports and flush are remembered from one command to the next, and secrets never change."""
    first = Cluster.open(tmp_path / "c", base=20_000, ports={"mariadb": 21_000}, flush="ASYNC").site
    again = Cluster.open(tmp_path / "c").site
    assert (again.ports, again.flush, again.secrets) == (first.ports, "ASYNC", first.secrets)
    assert again.ports["mariadb"] == 21_000
    assert again.ports["zookeeper-1"] == 20_001


def test_secrets_are_private(tmp_path: Path) -> None:
    """What holds a password or a key is readable by its owner only, and no two clusters share them."""
    site = Cluster.open(tmp_path / "c").site
    write_config(site)
    for name in ("secrets.json", "cluster.json", "shop.toml"):
        assert (site.folder / name).stat().st_mode & 0o077 == 0
    assert site.folder.stat().st_mode & 0o077 == 0
    assert site.secrets != Cluster.open(tmp_path / "d").site.secrets


def test_the_shop_reads_what_is_written(tmp_path: Path) -> None:
    """The configuration has the sections that the shop's processes need, with every address in it."""
    site = Cluster.open(tmp_path / "c", base=30_000).site
    (site.folder / "sandbox").mkdir()
    key = '-----BEGIN PRIVATE KEY-----\nx"\\\n'
    alipay = {"gateway": "http://127.0.0.1:30030/alipay/gateway.do", "app_id": "1", "merchant_private_key": key}
    sandbox = {"url": "http://127.0.0.1:30030", "alipay": {**alipay, "seller_id": None}}
    (site.folder / "sandbox" / "sandbox.json").write_text(json.dumps(sandbox))
    write_config(site)
    Config.load(site.config, {})
    values = tomllib.loads(site.config.read_text())
    assert values["database"]["url"] == f"mysql://makegood:{site.secrets.database_password}@127.0.0.1:30000/makegood"
    assert (
        values["dubbo"]["registry"]["address"] == "zookeeper://127.0.0.1:30001?backup=127.0.0.1:30002,127.0.0.1:30003"
    )
    assert values["rocketmq"]["name-server"] == "127.0.0.1:30010"
    assert values["rocketmq"]["endpoints"] == site.address("proxy")
    assert values["alipay"] == alipay
    assert values["sandbox"] == {"url": sandbox["url"]}


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """A folder that is no cluster's is neither used nor deleted."""
    (tmp_path / "holiday.jpg").write_bytes(b"sea")
    with pytest.raises(ClusterError, match="holds something else"):
        Cluster.open(tmp_path)
    assert main(["wipe", "--folder", str(tmp_path)]) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["holiday.jpg"]


def test_looking_creates_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no cluster, `down` is content, `status` shows that nothing runs, and no folder is made."""
    folder = ["--folder", str(tmp_path / "none")]
    assert main(["down", *folder]) == 0
    assert main(["status", *folder]) == 1
    shown = capsys.readouterr().out
    assert shown.count(" down") == len(programs(Cluster.open(tmp_path / "none", create=False).site))
    assert not (tmp_path / "none").exists()


def test_what_does_not_run_cannot_be_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`kill` of what does not run fails and says so; unknown names are answered with the known ones."""
    folder = ["--folder", str(tmp_path / "none")]
    assert main(["kill", "mariadb", *folder]) == 1
    assert "mariadb does not run" in capsys.readouterr().err
    assert main(["kill", "mysql", *folder]) == 1
    assert "there is no 'mysql'; there are servers, zookeeper, " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["kill"], ["stop"], ["start"], ["logs"], ["wipe", "mariadb"], ["reboot"]])
def test_commands_say_what_they_need(arguments: list[str]) -> None:
    """A command without the names it needs, or with names it does not take, is refused before anything happens."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_spoilt_files_say_what_to_do(tmp_path: Path) -> None:
    """A folder whose files cannot be read is refused, with the file's name."""
    Cluster.open(tmp_path / "c")
    for name, text in (("cluster.json", "{"), ("cluster.json", "3"), ("secrets.json", "[]")):
        (tmp_path / "c" / name).write_text(text)
        with pytest.raises(ClusterError, match=str(tmp_path / "c")):
            open_site(tmp_path / "c", create=False)


def test_groups_stand_for_their_members(tmp_path: Path) -> None:
    """Names and groups give each program once, in the order of their start; every group's members exist."""
    known = programs(Cluster.open(tmp_path / "c").site)
    assert expand([], known) == list(known)
    assert expand(["broker", "zookeeper", "mariadb", "zookeeper-2"], known) == [
        "mariadb", "zookeeper-1", "zookeeper-2", "zookeeper-3", "broker",
    ]  # fmt: skip
    assert all(expand([group], known) == list(members) for group, members in GROUPS.items())
    assert sorted(one.stage for one in known.values()) == [one.stage for one in known.values()]


def test_every_service_of_the_shop_is_there() -> None:
    """Each service runs twice."""
    from makegood.shop.assembly import CLASSES

    assert sorted(SERVICES) == sorted(f"{one.name}-{number}" for one in CLASSES for number in (1, 2))
