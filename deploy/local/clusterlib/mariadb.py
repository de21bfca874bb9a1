"""MariaDB, which speaks MySQL's protocol."""

import shutil
import subprocess
from pathlib import Path

from .errors import ClusterError
from .install import program
from .program import Program
from .site import Site, write_privately

USER = "makegood"
INSTALL_SECONDS = 120.0
QUERY_SECONDS = 5.0
SETTINGS = """\
[mariadbd]
{user}datadir={data}
tmpdir={data}
port={port}
bind-address=127.0.0.1
# Relative to the data: a socket's path may have no more than 107 characters.
socket=mariadb.sock
pid-file=mariadb.pid
init-file={init}
skip-name-resolve
skip-log-bin
character-set-server=utf8mb4
collation-server=utf8mb4_bin
# An acknowledged commit is on the disk.
innodb_flush_log_at_trx_commit=1
innodb_buffer_pool_size=64M
innodb_log_file_size=48M
aria_pagecache_buffer_size=4M
key_buffer_size=1M
# Counts the rows that each table is read and written by, and nothing else.
performance_schema=on
performance-schema-instrument='%=off'
performance-schema-instrument='wait/io/table/sql/handler=counted'
performance-schema-consumer-global-instrumentation=on
performance_schema_digests_size=0
max_connections=300
"""
USERS = """\
CREATE USER IF NOT EXISTS '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';
ALTER USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON `makegood\\_%`.* TO '{user}'@'127.0.0.1';
GRANT SELECT ON performance_schema.* TO '{user}'@'127.0.0.1';
"""
CLIENT = """\
[client]
host=127.0.0.1
protocol=tcp
port={port}
user={user}
password={password}
connect-timeout=3
"""


def mariadb(site: Site) -> Program:
    """The server."""
    folder, port = site.folder / "mariadb", site.ports["mariadb"]
    settings, client = folder / "server.cnf", folder / "client.cnf"
    return Program(
        "mariadb",
        stage=0,
        command=lambda: [program("mariadbd", site.installed), f"--defaults-file={settings}"],
        ports=[port],
        missing=lambda: _missing(program("mariadb", site.installed), client),
        prepare=lambda: _prepare(site, folder, settings, client),
    )


def _prepare(site: Site, folder: Path, settings: Path, client: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port, password = site.ports["mariadb"], site.secrets.database_password
    as_root = "user=root\n" if folder.owner() == "root" else ""
    users = folder / "users.sql"
    text = SETTINGS.format(user=as_root, data=folder / "data", port=port, init=users)
    write_privately(settings, text)
    write_privately(users, USERS.format(user=USER, password=password))
    write_privately(client, CLIENT.format(port=port, user=USER, password=password))
    if not (folder / "data").exists():
        _make_data(program("mariadb-install-db", site.installed), folder)


def _make_data(install: str, folder: Path) -> None:
    """All or nothing: an interrupted start leaves no data that look whole."""
    draft = folder / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    command = [install, "--no-defaults", f"--datadir={draft}", "--skip-test-db", "--innodb-log-file-size=48M"]
    command += ["--auth-root-authentication-method=socket", *(["--user=root"] if folder.owner() == "root" else [])]
    try:
        # The command is the one above.
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"mariadb-install-db took longer than {INSTALL_SECONDS:.0f} s: try again") from error
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]
        raise ClusterError(f"mariadb-install-db failed in {draft}: {said}")
    draft.rename(folder / "data")


def _missing(client: str, settings: Path) -> str | None:
    try:
        # The command is written here, but for the settings' path.
        done = subprocess.run(  # noqa: S603
            [client, f"--defaults-file={settings}", "--batch", "--execute=SELECT 1"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=QUERY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"a query is not answered within {QUERY_SECONDS:.0f} s"
    return done.stderr.decode(errors="replace").strip() if done.returncode else None
