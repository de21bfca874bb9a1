"""deploy/compose.yaml and what belongs to it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.local.clusterlib.site import ROOT

from makegood.config import Config
from makegood.shop.assembly import CLASSES
from makegood.web.settings import WebSettings

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = dict.fromkeys(("DATABASE_PASSWORD", "SIGNING_KEY", "OPERATORS_TOKEN"), "3" * 64)


def _tool() -> list[str] | None:
    """How Docker Compose is called here."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    found = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    )
    return ["docker", "compose"] if found and found.returncode == 0 else None


@pytest.mark.skipif(_tool() is None, reason="needs Docker Compose")
def test_docker_compose_takes_it() -> None:
    """Docker Compose itself finds nothing wrong; without the secrets it says where to read about them."""
    file = ["--file", str(DEPLOY / "compose.yaml"), "--env-file", os.devnull]
    command = [*(_tool() or []), *file, "config", "--quiet"]
    done = subprocess.run(command, env={**os.environ, **SECRETS}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    bare = {name: value for name, value in os.environ.items() if name not in SECRETS}
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert "compose/example.env" in done.stderr


def test_each_service_runs_twice() -> None:
    """Every service of the shop has two replicas, and there are two gateways."""
    for one in CLASSES:
        assert SERVICES[one.name]["command"][:2] == ["serve", one.name]
        assert SERVICES[one.name]["deploy"]["replicas"] == 2
    gateways = [one for one in SERVICES.values() if one.get("command", [])[:2] == ["serve", "gateway"]]
    assert len(gateways) == 2
    assert all(one["deploy"]["replicas"] == 1 for one in gateways)


def test_what_it_mounts_exists() -> None:
    """Every file that is mounted is there, and every volume is declared."""
    for mount in _mounts():
        source = mount.partition(":")[0]
        assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


def test_only_loopback_is_published() -> None:
    """No port can be reached from other machines, and none twice."""
    ports = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len(set(ports)) == len(ports) == 3


def test_the_shop_reads_its_settings() -> None:
    """The settings and the environment together are what the shop takes; every address is a container's name."""
    environment = {name: str(value) for name, value in COMPOSE["x-shop"]["environment"].items()}
    filled = {name: _interpolated(value) for name, value in environment.items()}
    config = Config.load(DEPLOY / "shop.toml", filled)
    assert all(section in config for section in ("database", "rocketmq", "dubbo", "gateway", "payments", "sandbox"))
    assert len(config.section("web", WebSettings).signing_key) >= 32
    text = (DEPLOY / "shop.toml").read_text() + environment["MAKEGOOD_DATABASE_URL"]
    for name in ("mysql", "zookeeper-1", "zookeeper-2", "zookeeper-3", "name-server", "broker", "sandbox", "gateway-1"):
        assert name in SERVICES
        assert f"{name}:" in text


def test_a_command_runs_as_the_sandboxes_merchant(tmp_path: Path) -> None:
    """The command gets what the sandbox says about its merchant; what the environment says already stays."""
    known = {"gateway": "http://127.0.0.1:8001", "app_id": "9021", "merchant_private_key": "-----BEGIN\nx\n"}
    (tmp_path / "sandbox.json").write_text(json.dumps({"url": "http://127.0.0.1:8001", "alipay": known}))
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = _as_merchant(tmp_path, sys.executable, "-c", show)
    got = json.loads(done.stdout)
    assert got["MAKEGOOD_ALIPAY_APP_ID"] == "9021"
    assert got["MAKEGOOD_ALIPAY_MERCHANT_PRIVATE_KEY"] == known["merchant_private_key"]
    assert got["MAKEGOOD_ALIPAY_GATEWAY"] == "http://sandbox:8001"


def test_without_a_sandbox_it_says_so(tmp_path: Path) -> None:
    """A missing or spoilt file ends it with one line, before the command runs."""
    for text in (None, "{", "{}", "3"):
        if text is not None:
            (tmp_path / "sandbox.json").write_text(text)
        done = _as_merchant(tmp_path, "echo", "ran")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "start the sandbox first" in done.stderr


def _as_merchant(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "SANDBOX_FILE": str(folder / "sandbox.json"),
        "MAKEGOOD_ALIPAY_GATEWAY": "http://sandbox:8001",
    }
    script = [sys.executable, str(DEPLOY / "with_sandbox.py"), *command]
    return subprocess.run(script, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _mounts() -> Iterator[str]:
    for one in SERVICES.values():
        yield from (mount for mount in one.get("volumes", []) if ":" in mount)


def _interpolated(value: str) -> str:
    for name, secret in SECRETS.items():
        value = value.replace(f"${{{name}:?see deploy/compose/example.env}}", secret)
    assert "$" not in value
    return value
