"""A real PostgreSQL server for tests: Debian's, as an unprivileged user, with its data in a folder of its own.

`running_postgres` starts one and ends it with all that it wrote. It also ends when the test process ends, however that
happens. Nothing here knows what is kept in it; `create_database` gives each test a database of its own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

BINARIES = Path("/usr/lib/postgresql")  # Debian keeps them off the PATH, in a folder per version
# PostgreSQL refuses to run as root; every Linux has this user.
UNPRIVILEGED = "nobody"
USER = "jhaws"
# Below 32768, where Linux begins to give out ports by itself, so a port is still free when the server starts again;
# and below those of tests/kube and tests/hub.
PORTS = range(13000, 15000)
START_SECONDS = 60  # a busy machine takes 1-5 s
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "50"}


@dataclass
class Postgres:
    """A PostgreSQL server that can be stopped and started again on the same port and data.

    Attributes:
        folder: Where its data, socket and log are.
        address: What it listens on besides its socket.
        port: Of TCP and of the socket.
        password: Of the user `jhaws`, who may do everything.
    """

    folder: Path
    address: str
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, *, host: str = "127.0.0.1", password: str | None = None) -> str:
        """Return SQLAlchemy's URL of a database; `password` "" leaves it out, as z2jh does."""
        secret = self.password if password is None else password
        return f"postgresql+psycopg2://{USER}{secret and ':' + secret}@{host}:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"hub_{secrets.token_hex(4)}"
        self.run(f'CREATE DATABASE "{name}"')
        return name

    def run(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one SQL statement as a client of its own, and return its rows."""
        import psycopg2

        values = {"host": str(self.folder), "port": self.port, "user": USER, "password": self.password}
        with contextlib.closing(psycopg2.connect(dbname=database, **values)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []

    def dump(self, database: str) -> bytes:
        """Return all that is in a database, as `pg_dump` writes it."""
        command = [_binary("pg_dump"), "--inserts", "-h", self.folder, "-p", str(self.port), "-U", USER, database]
        ended = subprocess.run(command, env=os.environ | {"PGPASSWORD": self.password}, check=True, capture_output=True)
        return ended.stdout

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        settings = SETTINGS | {
            "listen_addresses": self.address,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            # SIGQUIT is its immediate end, and the kernel sends it when the thread that started it is gone.
            command = [*_drop_privileges("--pdeathsig", "QUIT"), _binary("postgres"), "-D", self.folder / "data"]
            self.process = subprocess.Popen([*command, *options], cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run([_binary("pg_isready"), "-q", "-h", self.folder, "-p", str(self.port)]).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server, and the connections of all clients with it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # its "fast" shutdown
            self.process.wait(START_SECONDS)
            self.process = None


@contextlib.contextmanager
def running_postgres(address: str = "127.0.0.1") -> Iterator[Postgres]:
    """Run a server until the block ends; skip the test where PostgreSQL or its driver is not installed.

    Args:
        address: What it listens on; "0.0.0.0" for clients that are not processes of this machine, such as pods.
    """
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed: run `make install`")
    _binary("postgres")
    folder = Path(tempfile.mkdtemp(prefix="jhaws-postgres-"))
    server = Postgres(folder, address, _free_port(address))
    try:
        (folder / "password").write_text(server.password)
        _give_away(folder, folder / "password")
        initdb = [
            _binary("initdb"),
            "-D",
            folder / "data",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        initdb += ["--locale=C", f"--pwfile={folder / 'password'}"]
        subprocess.run([*_drop_privileges(), *initdb], cwd=folder, check=True, capture_output=True)
        with (folder / "data" / "pg_hba.conf").open("a") as access:
            access.write("host all all all scram-sha-256\n")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _binary(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, that of the newest version."""
    versions = sorted(BINARIES.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        pytest.skip(f"PostgreSQL has no {name} in {BINARIES}/*/bin: run `apt-get install postgresql`")
    return found


def _drop_privileges(*options: str) -> Sequence[str]:
    """Return the words before a command that is not to run as root, and never to outlive this process."""
    identity = ["--reuid", UNPRIVILEGED, "--regid", str(pwd.getpwnam(UNPRIVILEGED).pw_gid), "--clear-groups"]
    return ["setpriv", *(identity if os.geteuid() == 0 else []), *options]


def _give_away(*paths: Path) -> None:
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, UNPRIVILEGED, pwd.getpwnam(UNPRIVILEGED).pw_gid)


def _free_port(address: str) -> int:
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            return port
    raise AssertionError(f"no free port in {PORTS}")
