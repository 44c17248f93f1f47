"""A PostgreSQL server of a test's own, which it may restart, stop and starve."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import free_port


def needed(program: str, package: str) -> str:
    """The path of a program; the test fails, and says what to install, where there is none."""
    servers = sorted(str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *servers[-1:]]))
    if not found:
        pytest.fail(f"{program} is missing. On Debian and Ubuntu: apt install {package}")
    return found


class Cluster:
    """One server: ``stop`` and ``start`` are pg_ctl's, and so is ``restart``."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()

    def make(self) -> None:
        initdb = needed("initdb", "postgresql")
        self._run(initdb, "-A", "trust", "-U", "postgres", "-D", str(self.data), "--no-sync")

    def start(self) -> None:
        options = (
            f"-p {self.port} -k {self.folder} -h 127.0.0.1 -c fsync=off -c max_connections=40"
            " -c shared_buffers=16MB"
        )
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "-m", mode)

    def restart(self, mode: str) -> None:
        self._control("restart", "-m", mode, "-l", str(self.folder / "log"))

    def environment(self, folder: Path, tablespace: str = "") -> dict[str, str]:
        """Of an installation in a database of its own on this server."""
        import psycopg

        name = f"connectors_{uuid.uuid4().hex[:12]}"
        server = f"postgres://postgres@127.0.0.1:{self.port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} {tablespace}")
        clean = {key: value for key, value in os.environ.items() if key != "DATABASE_URL_FILE"}
        return clean | {
            "DATABASE_URL": f"{server}/{name}",
            "SECRET_KEY": uuid.uuid4().hex * 2,
            "DATA_DIR": str(folder),
            "PYTHONUNBUFFERED": "1",
            "WORKER_POLL": "0.05",
        }

    def _control(self, *arguments: str) -> None:
        self._run(needed("pg_ctl", "postgresql"), "-w", "-D", str(self.data), *arguments)

    def _run(self, *command: str) -> None:
        """As the user postgres where we are root, for the server refuses to run as root."""
        as_postgres = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        done = subprocess.run(
            [*as_postgres, *command],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr


def for_the_server(folder: Path) -> Path:
    """A folder that the server may use."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    return folder


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    # not below pytest's folder, which only its owner may enter
    folder = for_the_server(Path(tempfile.mkdtemp(prefix="cluster")))
    cluster = Cluster(folder)
    try:
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.stop("immediate")
        shutil.rmtree(folder)
