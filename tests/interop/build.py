"""Builds the programs in Java, once for each state of their sources."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from deploy.local.clusterlib.install import program
from deploy.local.clusterlib.site import INSTALLED, ROOT

from makegood.engine.rpc.protobuf.proto import FILES

HERE = Path(__file__).parent
BUILT = ROOT / "build" / "interop"
SECONDS = 900.0
"""Longest build: the first one downloads 120 jars."""


def classpath() -> str:
    """Where Java finds the programs; they are built if they are not there. Raises RuntimeError and ClusterError."""
    java = BUILT / "java"
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, state = java / "state", _state()
        if not stamp.exists() or stamp.read_text() != state:
            _build(java)
            stamp.write_text(state)
    return f"{java / 'classes'}:{java / 'jars'}/*"


def _build(java: Path) -> None:
    program("javac", INSTALLED)  # Maven runs with a mere JRE, and then it cannot compile
    proto = BUILT / "proto"
    for folder in (java, proto):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "proto", proto)
    shutil.copytree(FILES, proto / FILES.name)
    command = [program("mvn", INSTALLED), "-q", "-B", "-f", str(HERE / "java" / "pom.xml"), "compile"]
    command += [f"-Dproto={proto}", f"-Dto={java}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven failed: {(done.stdout + done.stderr).decode(errors='replace')[-2000:]}")


def _state() -> str:
    files = [*HERE.glob("java/**/*.*"), *HERE.glob("proto/**/*.proto"), *FILES.glob("*.proto")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
