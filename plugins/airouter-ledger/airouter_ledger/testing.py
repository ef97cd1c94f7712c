"""What tests of a ledger need, and of whatever keeps something in one: databases of both kinds.

A PostgreSQL server is a real one, that the tests start themselves. In a ``conftest.py``::

    from airouter_ledger.testing import address, server
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from airouter_core.testing.server import free_port

PROGRAMS = "/usr/lib/postgresql/*/bin"
VARIABLE = "AIROUTER_POSTGRES_BIN"
"""Names the folder of another server's programs."""


class Server:
    """A PostgreSQL server on the loopback, of this test run alone."""

    def __init__(self, folder: str, programs: str) -> None:
        self.folder = folder
        self.programs = programs
        self.data = os.path.join(folder, "data")
        self.port = free_port()
        self.user = user()
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", self.data, "-U", "ledger", "-A", "trust", "-N")
        self.start()

    def start(self) -> None:
        # No socket in a folder, whose path may be too long for one.
        options = f"-p {self.port} -c unix_socket_directories='' -c listen_addresses=127.0.0.1 -c shared_buffers=32MB"
        log = os.path.join(self.folder, "log")
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "600", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "600", "-m", mode, "stop")

    def address(self, schema: str) -> str:
        return f"postgresql://ledger@127.0.0.1:{self.port}/postgres?schema={schema}"

    def new_schema(self) -> str:
        import pg8000.dbapi

        name = f"test_{uuid.uuid4().hex[:12]}"
        connection = pg8000.dbapi.connect(user="ledger", host="127.0.0.1", port=self.port, database="postgres")
        connection.autocommit = True
        connection.cursor().execute(f"CREATE SCHEMA {name}")
        connection.close()
        return name

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603  # a program of the system's, with words of this file
            [os.path.join(self.programs, program), *arguments],
            check=True, timeout=900, user=self.user, cwd=self.folder, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )  # fmt: skip


def programs() -> str | None:
    """The folder of the server to use: the one that the environment names, else the newest that is installed."""
    found = sorted(
        glob.glob(PROGRAMS), key=lambda path: int(path.split("/")[-2]) if path.split("/")[-2].isdigit() else 0
    )
    return os.environ.get(VARIABLE) or (found[-1] if found else None)


def user() -> str | None:
    """The server refuses to run as root, so root lends it to the user that the package made for it, or to nobody's."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL does not run as root, and there is no user to lend it to: add one named postgres")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real server."""
    pytest.importorskip("pg8000", reason="the extra [postgres] is not installed")
    found = programs()
    if found is None:
        pytest.skip(f"no PostgreSQL server is installed (Debian: postgresql); or set {VARIABLE}")
    folder = tempfile.mkdtemp(prefix="airouter-postgres-")
    os.chmod(folder, 0o755)  # noqa: S103  # its server runs as another user
    started = Server(folder, found)
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new ledger, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    lent: Server = request.getfixturevalue("server")
    return lent.address(lent.new_schema())
