"""Gets what is missing: jars from Maven Central, programs from Debian's packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import ClusterError
from .site import ROOT, locked

SECONDS = 900.0
"""Longest download."""
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
VERSIONS = {"rocketmq": "5.5.0", "zookeeper": "3.9.3"}
"""As in their pom.xml."""
PACKAGES = {
    "mariadbd": ("mariadb-server-core",),
    "mariadb-install-db": ("mariadb-server-core",),
    "mariadb": ("mariadb-client-core",),
    "java": ("default-jre-headless",),
    "javac": ("default-jdk-headless",),
    "mvn": ("maven",),
    "ip": ("iproute2",),
    "iptables": ("iptables",),
    "unshare": ("util-linux",),
}
"""Debian's packages of the programs. The core of MariaDB's server is the program without a service that starts it."""
SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
"""Debian keeps servers out of an ordinary user's path."""


def program(name: str, installed: Path) -> str:
    """The path of a program; root gets a missing one from Debian. Raises ClusterError."""
    if found := shutil.which(name, path=SEARCHED):
        return found
    packages = PACKAGES[name]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(f"there is no {name}: install it (on Debian: sudo apt install {' '.join(packages)})")
    with locked(installed / "apt.lock"):
        say(f"installing {' '.join(packages)}")
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    if found := shutil.which(name, path=SEARCHED):
        return found
    raise ClusterError(f"{' '.join(packages)} is installed, but there is no {name}: put it into the path")


def jars(name: str, installed: Path) -> Path:
    """The folder with the jars of `rocketmq` or `zookeeper`, downloaded if it is not there. Raises ClusterError."""
    folder = installed / f"{name}-{VERSIONS[name]}"
    if folder.exists():
        return folder
    with locked(installed / f"{name}.lock"):
        if not folder.exists():
            _download(name, folder)
    return folder


def _download(name: str, folder: Path) -> None:
    """All or nothing: an interrupted download leaves no folder that looks whole."""
    say(f"downloading {name} {VERSIONS[name]} from Maven Central")
    maven = program("mvn", folder.parent)
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    pom = ROOT / "deploy" / "local" / name / "pom.xml"
    _run([maven, "-q", "-B", "-f", str(pom), PLUGIN, "-DincludeScope=runtime", f"-DoutputDirectory={draft}"])
    draft.rename(folder)


def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        # The commands are those above.
        done = subprocess.run(  # noqa: S603
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{' '.join(command)}` took longer than {SECONDS:.0f} s: look at the network") from error
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]
        raise ClusterError(f"`{' '.join(command)}` failed: {said}")


def say(what: str) -> None:
    """Progress, for who waits."""
    print(what, file=sys.stderr, flush=True)
