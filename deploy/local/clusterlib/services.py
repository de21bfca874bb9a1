"""The shop's own processes, two of each, and the payment platform to test against."""

import json
import subprocess
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from .errors import ClusterError
from .install import say
from .mariadb import USER
from .ports import is_open
from .program import Program
from .site import Site, write_privately

NAMES = ("orders", "stock", "coupons", "accounts", "payments", "points", "journal")
SERVICES = tuple(f"{name}-{number}" for name in NAMES for number in (1, 2))
GATEWAYS = ("gateway-1", "gateway-2")
SANDBOX_STAGE, SERVICES_STAGE, GATEWAYS_STAGE = 2, 3, 4
MIGRATE_SECONDS = 300.0
ANSWER_SECONDS = 5.0
HEADER = (
    "# Written by deploy/local/cluster at each start. Settings of your own: MAKEGOOD_SECTION_KEY in the environment.\n"
)

_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def sandbox(site: Site) -> Program:
    """The payment platform."""
    folder, port = site.folder / "sandbox", site.ports["sandbox"]
    return Program(
        "sandbox",
        stage=SANDBOX_STAGE,
        command=lambda: [makegood(site), "sandbox", "--data", str(folder), "--port", str(port)],
        ports=[port],
        missing=lambda: _sandbox_missing(folder, port),
        prepare=lambda: (folder / "sandbox.json").unlink(missing_ok=True),
    )


def service(site: Site, name: str) -> Program:
    """One of the processes of a service, or of the gateway."""
    kind, port = name.rpartition("-")[0], site.ports[name]
    options = ["--config", str(site.config), "--data", str(site.folder / name), "--http-port", str(port)]
    return Program(
        name,
        stage=GATEWAYS_STAGE if name in GATEWAYS else SERVICES_STAGE,
        command=lambda: [makegood(site), "serve", kind, *options],
        ports=[port],
        missing=partial(_service_missing, port),
    )


def makegood(site: Site) -> str:
    """The path of the shop's own command. Raises ClusterError."""
    if not site.makegood.exists():
        raise ClusterError(
            f"there is no {site.makegood}: run `make .venv`, then "
            "`.venv/bin/pip install --require-hashes -r requirements-cluster.lock`"
        )
    return str(site.makegood)


def write_config(site: Site) -> None:
    """Writes the configuration of the shop's processes. Raises ClusterError."""
    first, *others = site.zookeepers
    password = site.secrets.database_password
    sections: dict[str, dict[str, Any]] = {
        "database": {"url": f"mysql://{USER}:{password}@{site.address('mariadb')}/makegood"},
        "rocketmq": {"name-server": site.address("name-server"), "endpoints": site.address("proxy")},
        "rocketmq.producer": {"group": "makegood"},
        "dubbo.registry": {"address": f"zookeeper://{first}?backup={','.join(others)}"},
        "dubbo.protocol": {"host": "127.0.0.1"},
        "gateway": {"url": f"http://{site.address('gateway-1')}"},
        "web": {"signing_key": site.secrets.signing_key, "operators_token": site.secrets.operators_token},
        **_platform(site.folder / "sandbox" / "sandbox.json"),
    }
    text = "\n".join(f"[{name}]\n{_lines(values)}" for name, values in sections.items())
    write_privately(site.config, HEADER + text)


def migrate(site: Site) -> None:
    """Brings the databases to the revision that the services expect. Raises ClusterError."""
    say("migrating the databases")
    try:
        # The command is the shop's own.
        done = subprocess.run(  # noqa: S603
            [makegood(site), "migrate", "--config", str(site.config)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MIGRATE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"`makegood migrate` took longer than {MIGRATE_SECONDS:.0f} s: see what MariaDB does"
        ) from error
    if done.returncode:
        raise ClusterError(f"`makegood migrate` failed: {done.stderr.decode(errors='replace').strip()[-2000:]}")


def _platform(file: Path) -> dict[str, dict[str, Any]]:
    """How to reach the sandbox, and what its merchant agreed with it; nothing before its first start."""
    if not file.exists():
        return {}
    try:
        known = json.loads(file.read_text())
        return {"sandbox": {"url": known["url"]}, "alipay": known["alipay"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(f"{file} cannot be read ({error}): stop the sandbox and start it again") from error


def _lines(values: dict[str, Any]) -> str:
    # JSON's strings and numbers are TOML's, too.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value is not None)


def _sandbox_missing(folder: Path, port: int) -> str | None:
    if not (folder / "sandbox.json").exists():
        return "it has not written sandbox.json"
    return None if is_open(port) else "it does not listen"


def _service_missing(port: int) -> str | None:
    try:
        with _http.open(f"http://127.0.0.1:{port}/readyz", timeout=ANSWER_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return error.read(1000).decode(errors="replace")
    except (OSError, ValueError) as error:
        return f"it does not answer: {error}"
