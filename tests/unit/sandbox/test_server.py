"""The sandbox's process: its folder, its port, its end."""

import fcntl
import math
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import httpx
import pytest

from makegood.keys import load_private_key, load_public_key
from makegood.sandbox.directory import SandboxError
from makegood.sandbox.server import serve
from tests.support.sandbox import running_sandbox
from tests.unit.sandbox.merchant import http

SETTINGS = {
    "alipay": ("gateway", "app_id", "merchant_private_key", "platform_public_key"),
    "wechatpay": (
        "gateway",
        "mchid",
        "appid",
        "api_v3_key",
        "merchant_serial",
        "merchant_private_key",
        "platform_public_key_id",
        "platform_public_key",
    ),
    "stripe": ("gateway", "api_key", "webhook_secret"),
}
COMMAND = [sys.executable, "-m", "makegood.sandbox"]


async def refusal(data: Path, port: int = 0, clock_speed: float = 1.0) -> str:
    """Why it does not start."""
    with pytest.raises(SandboxError) as refused:
        await serve(data, "127.0.0.1", port, clock_speed=clock_speed, on_ready=print)
    return str(refused.value)


def test_settings_are_complete_and_private(tmp_path: Path) -> None:
    """sandbox.json has what a shop needs, for its owner alone, and stays the same for ever."""
    with running_sandbox(tmp_path) as sandbox:
        assert set(sandbox.config) == {"url", "alipay", "wechatpay", "stripe"}
        for platform, named in SETTINGS.items():
            assert set(named) <= set(sandbox.config[platform])
        load_private_key(sandbox.config["wechatpay"]["merchant_private_key"])
        load_public_key(sandbox.config["wechatpay"]["platform_public_key"])
        alipay = sandbox.alipay
        assert alipay["gateway"] == f"{sandbox.url}/alipay/gateway.do"
        assert (len(alipay["app_id"]), len(alipay["seller_id"])) == (16, 16)
        load_private_key(alipay["merchant_private_key"])
        load_public_key(alipay["platform_public_key"])
        for path in (tmp_path / "sandbox").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE((tmp_path / "sandbox").stat().st_mode) == 0o700
        first = sandbox.config
        assert sandbox.stop() == 0
        sandbox.start()
        assert sandbox.config == first


def test_folder_is_for_one_sandbox(tmp_path: Path) -> None:
    """A second one is told so in one line, and the first goes on."""
    with running_sandbox(tmp_path) as sandbox:
        second = [*COMMAND, "--data", str(tmp_path / "sandbox")]
        done = subprocess.run(second, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Another sandbox is running in ")
        assert done.stderr.count("\n") == 1
        assert http.get(f"{sandbox.url}/healthz").text == "ok"


async def test_busy_port_is_said(tmp_path: Path) -> None:
    """A port that is taken, and one that is none, are refused with advice."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = await refusal(tmp_path, port)
    assert f"cannot listen on 127.0.0.1 port {port}" in said
    assert said.endswith("choose another --port, or 0 for a free one.")
    assert "There is no port 99999" in await refusal(tmp_path, 99999)


async def test_unusable_folder_and_clock_are_said(tmp_path: Path) -> None:
    """A file for a folder, a foreign database, and a clock that stands still are refused with advice."""
    (tmp_path / "file").touch()
    assert "choose another --data" in await refusal(tmp_path / "file")
    (tmp_path / "sandbox.sqlite").write_text("no database, but long enough to be taken for one " * 100)
    assert "move it away" in await refusal(tmp_path)
    for speed in (0.0, -1.0, math.nan, math.inf):
        assert "--clock-speed" in await refusal(tmp_path / "other", clock_speed=speed)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_open_connection_does_not_hold_it_up(tmp_path: Path, how: signal.Signals) -> None:
    """It ends with status 0 within seconds though a client keeps its connection."""
    data = tmp_path / "data"
    with subprocess.Popen([*COMMAND, "--data", str(data)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.Client() as client:
            assert client.get(f"{url}/healthz").text == "ok"
            began = time.monotonic()
            process.send_signal(how)
            assert process.wait(10) == 0
            assert time.monotonic() - began < 5


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """When the process that started it is killed, it ends by itself and gives the folder back."""
    data = tmp_path / "data"
    child = [*COMMAND, "--data", str(data), "--parent"]
    code = f"import os, subprocess, time; subprocess.Popen([*{child!r}, str(os.getpid())]); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as parent:
        deadline = time.monotonic() + 20
        while not (data / "sandbox.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(parent.pid, signal.SIGKILL)
    with (data / "sandbox.lock").open() as lock:
        deadline = time.monotonic() + 10
        while not is_free(lock):
            assert time.monotonic() < deadline, "it did not end"
            time.sleep(0.05)


def test_it_ends_when_its_parent_is_gone_already(tmp_path: Path) -> None:
    """A parent that was killed while the sandbox started leaves none behind."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait(10)
    child = [*COMMAND, "--data", str(tmp_path / "data"), "--parent", str(gone.pid)]
    assert subprocess.run(child, stdout=subprocess.DEVNULL, timeout=20, check=False).returncode == 0


def is_free(lock: IO[str]) -> bool:
    """Whether nobody holds the folder."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def test_address_is_there_while_it_runs(tmp_path: Path) -> None:
    """sandbox.json of a sandbox that stopped is gone; one that cannot start leaves what it finds alone."""
    about = tmp_path / "sandbox" / "sandbox.json"
    with running_sandbox(tmp_path) as sandbox:
        assert about.exists()
        taken = int(sandbox.url.rpartition(":")[2])
        other = tmp_path / "other"
        other.mkdir()
        (other / "sandbox.json").write_text("{}")
        assert "choose another --port" in await refusal(other, taken)
        assert (other / "sandbox.json").exists()
    assert not about.exists()
