"""Where ZooKeeper is, as Dubbo's users write it: `zookeeper://ip:2181?backup=ip:2182,ip:2183`."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from makegood.engine.registry.limits import MAX_PORT

DEFAULT_PORT = 2181
DEFAULT_ROOT = "dubbo"
DEFAULT_SESSION = 6.0
"""Seconds without a sign of life after which ZooKeeper takes a process for dead."""
LONGEST_SESSION = 60.0


class ZookeeperAddress(msgspec.Struct, frozen=True):
    """The servers (`ip:port,…`), the folder of the registry, `user:password` or nothing, and the session in seconds."""

    servers: str
    root: str = f"/{DEFAULT_ROOT}"
    credentials: str = ""
    session: float = DEFAULT_SESSION


def parse_address(address: str) -> ZookeeperAddress:
    """Understands the parameters `backup`, `group` (the root folder), `username`, `password`, `session` (ms).

    Others, which Dubbo's users may have there, mean nothing here. Raises ValueError for what is no such address.
    """
    try:
        url = urlsplit(address)
    except ValueError as error:
        raise _wrong("it is no URL") from error
    if url.scheme != "zookeeper":
        raise _wrong("it does not begin with zookeeper://")
    if url.path not in ("", "/"):
        raise _wrong(f"{url.path!r} has no meaning there: the root folder is ?group=…")
    told = dict(parse_qsl(url.query))
    credentials, _, first = url.netloc.rpartition("@")
    servers = [server for part in (first, told.get("backup", "")) for server in part.split(",") if server.strip()]
    return ZookeeperAddress(
        servers=_servers(servers),
        root=_root(told.get("group", DEFAULT_ROOT)),
        credentials=_credentials(unquote(credentials), told),
        session=_session(told.get("session")),
    )


def check_session(seconds: float) -> float:
    """The seconds; raises ValueError when no session can be so short or so long."""
    if not 1.0 <= seconds <= LONGEST_SESSION:
        raise ValueError(f"a session of {seconds:g} s: give 1 to {LONGEST_SESSION:g} s")
    return seconds


def _servers(servers: Sequence[str]) -> str:
    if not servers:
        raise _wrong("it names no server")
    return ",".join(_server(server.strip()) for server in servers)


def _server(server: str) -> str:
    try:
        url = urlsplit(f"//{server}")
        host, port = url.hostname, DEFAULT_PORT if url.port is None else url.port
    except ValueError as error:
        raise _wrong(f"{server!r} is no server: {error}") from error
    if not host or url.netloc != server or not 0 < port <= MAX_PORT:
        raise _wrong(f"{server!r} is no server")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _root(group: str) -> str:
    names = group.strip("/").split("/")
    if not all(name.isprintable() and name not in ("", ".", "..") for name in names):
        raise _wrong(f"{group!r} is no root folder")
    return "/" + "/".join(names)


def _credentials(credentials: str, told: dict[str, str]) -> str:
    if credentials or "username" not in told:
        return credentials
    return f"{told['username']}:{told.get('password', '')}"


def _session(milliseconds: str | None) -> float:
    if milliseconds is None:
        return DEFAULT_SESSION
    try:
        return check_session(int(milliseconds) / 1000)
    except ValueError as error:
        raise _wrong(f"session={milliseconds} (milliseconds): {error}") from error


def _wrong(why: str) -> ValueError:
    # Not a word of the address itself: a password may be in it.
    return ValueError(f"no address of a registry: {why}: write zookeeper://ip:2181?backup=ip:2182,ip:2183")
