"""Three ZooKeepers: one may be away."""

import contextlib
import socket
from functools import partial
from pathlib import Path

from .install import jars, program
from .program import Program
from .site import Site

NUMBERS = (1, 2, 3)
SERVING = ("leader", "follower")
ANSWER_SECONDS = 2.0
OPTIONS = (
    "-Xms16m",
    "-Xmx64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    # KiB that a log file takes at once: 64 MiB by default.
    "-Dzookeeper.preAllocSize=4096",
    "-Dzookeeper.jmx.log4j.disable=true",
)
SETTINGS = """\
tickTime=500
initLimit=20
syncLimit=6
minSessionTimeout=2000
maxSessionTimeout=40000
dataDir={folder}/snapshots
dataLogDir={folder}/log
clientPort={port}
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr,mntr,ruok,cons,stat,wchs
autopurge.snapRetainCount=3
autopurge.purgeInterval=1
"""
LOGBACK = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5p %c{1} - %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"""


def zookeeper(site: Site, number: int) -> Program:
    """One of them."""
    name = f"zookeeper-{number}"
    folder = site.folder / name
    return Program(
        name,
        stage=0,
        command=partial(_command, site, folder),
        ports=[site.ports[name], site.ports[f"{name}-election"]],
        missing=partial(_missing, site, number),
        prepare=partial(_prepare, site, folder, number),
    )


def _command(site: Site, folder: Path) -> list[str]:
    classes = f"{jars('zookeeper', site.installed)}/*"
    main = ["org.apache.zookeeper.server.quorum.QuorumPeerMain", f"{folder}/zoo.cfg"]
    own = f"-Dlogback.configurationFile={folder}/logback.xml"
    return [program("java", site.installed), *OPTIONS, own, "-cp", classes, *main]


def mode(port: int) -> str | None:
    """leader, follower, or what else it says that it is; empty without a quorum; None when it does not answer."""
    for line in _four_letters(port, b"srvr").splitlines():
        if line.startswith("Mode: "):
            return line.removeprefix("Mode: ")
        if "not currently serving" in line:
            return ""
    return None


def _missing(site: Site, number: int) -> str | None:
    """Without a second one there is no quorum: then it is enough that it answers."""
    modes = {one: mode(site.ports[f"zookeeper-{one}"]) for one in NUMBERS}
    own = modes[number]
    if own is None:
        return "it does not answer"
    others = sum(one is not None for one in modes.values()) - 1
    return None if own in SERVING or not others else "it has found no quorum"


def _prepare(site: Site, folder: Path, number: int) -> None:
    for part in ("snapshots", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "snapshots" / "myid").write_text(f"{number}\n")
    (folder / "logback.xml").write_text(LOGBACK)
    members = [
        f"server.{one}=127.0.0.1:{site.ports[f'zookeeper-{one}-peer']}:{site.ports[f'zookeeper-{one}-election']}\n"
        for one in NUMBERS
    ]
    own = SETTINGS.format(folder=folder, port=site.ports[f"zookeeper-{number}"])
    (folder / "zoo.cfg").write_text(own + "".join(members))


def _four_letters(port: int, word: bytes) -> str:
    """The answer to one of ZooKeeper's four-letter words; empty when there is none."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as one:
        one.settimeout(ANSWER_SECONDS)
        one.sendall(word)
        with one.makefile("rb") as answer:
            return answer.read().decode(errors="replace")
    return ""
