"""Real processes for tests: ``serve`` and workers on a database of their own."""

from __future__ import annotations

import atexit
import http.client
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

HOME = Path(settings.BASE_DIR)
MANAGE = str(HOME / "manage.py")


def embedded(folder: Path) -> dict[str, str]:
    """Environment of an installation of its own, on the embedded database."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "SECRET_KEY", "DATA_DIR")
    }
    return environment | {
        "DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
        "WORKER_POLL": "0.05",
    }


@contextmanager
def own_database(folder: Path) -> Iterator[dict[str, str]]:
    """Environment of an installation of its own, on the kind of database that the suite runs on."""
    environment = embedded(folder)
    if settings.EMBEDDED_DATABASE:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(_migrated(), folder / "connectors.sqlite3")
        yield environment
        return
    template = _migrated()
    name = f"connectors_{uuid.uuid4().hex[:12]}"
    with _server() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    environment |= {"DATABASE_URL": _address(name), "SECRET_KEY": uuid.uuid4().hex * 2}
    try:
        yield environment
    finally:
        _drop(name)


@cache
def _migrated() -> str:
    """The file, or the name, of an empty database with all tables: made once, copied many times."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    environment = embedded(folder)
    made = str(folder / "connectors.sqlite3")
    if not settings.EMBEDDED_DATABASE:
        made = f"connectors_template_{uuid.uuid4().hex[:12]}"
        with _server() as admin:
            admin.execute(f"CREATE DATABASE {made}")
        atexit.register(_drop, made)
        environment |= {"DATABASE_URL": _address(made), "SECRET_KEY": "only makes tables"}
    manage(environment, "migrate", "--verbosity", "0")
    return made


def _drop(name: str) -> None:
    with _server() as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _server() -> Any:
    """A connection to the database server that the suite runs on."""
    import psycopg

    return psycopg.connect(_address("postgres"), autocommit=True)


def _address(name: str) -> str:
    database = settings.DATABASES["default"]
    credentials = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
    return f"postgres://{credentials}@{database['HOST']}:{database['PORT'] or 5432}/{name}"


def manage(environment: dict[str, str], *arguments: str, code: str | None = None) -> str:
    """Run a management command to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, MANAGE, *arguments],
        env=environment,
        input=code,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(environment: dict[str, str], *arguments: str) -> str:
    """What a command says that refuses, in one sentence and without a traceback."""
    done = subprocess.run(
        [sys.executable, MANAGE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def shell(environment: dict[str, str], code: str) -> str:
    """Run Python against an installation's database; returns the last line it printed."""
    return manage(environment, "shell", "--no-imports", code=code).strip().rpartition("\n")[2]


def query(environment: dict[str, str], sql: str) -> tuple:
    """The first row that an installation's database answers. A process of its own (``shell``) would
    take its time, and come too late for what is in the middle of something."""
    if "DATABASE_URL" in environment:
        import psycopg

        with psycopg.connect(environment["DATABASE_URL"]) as database:
            return database.execute(sql).fetchone()
    with closing(sqlite3.connect(f"{environment['DATA_DIR']}/connectors.sqlite3")) as database:
        return database.execute(sql).fetchone()


#: What the tests have started: whatever a test does, none of it outlives it (``conftest``).
_started: list[subprocess.Popen] = []


def start(environment: dict[str, str], *command: str, log: Path | None = None) -> subprocess.Popen:
    """A process of Python's that runs until it is stopped, or the test ends."""
    with open(log or os.devnull, "w") as errors:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=HOME,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    _started.append(process)
    return process


def start_worker(environment: dict[str, str], log: Path | None = None) -> subprocess.Popen:
    return start(environment, MANAGE, "run_operations", log=log)


def end_what_was_started() -> None:
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def written_by_another(environment: dict[str, str], table: str) -> Iterator[None]:
    """While the block lasts nobody else can write to the table (SQLite: to any)."""
    if settings.EMBEDDED_DATABASE:
        file = Path(environment["DATA_DIR"], "connectors.sqlite3")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    import psycopg

    with psycopg.connect(environment["DATABASE_URL"]) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@contextmanager
def database_away(environment: dict[str, str]) -> Iterator[None]:
    """While the block lasts nobody gets a new connection, and on PostgreSQL the old ones end."""
    if settings.EMBEDDED_DATABASE:
        file = Path(environment["DATA_DIR"], "connectors.sqlite3")
        file.rename(file.with_suffix(".away"))
        file.mkdir()
        try:
            yield
        finally:
            file.rmdir()
            file.with_suffix(".away").rename(file)
        return
    import psycopg

    server, _, name = environment["DATABASE_URL"].rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of ``what``; fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        if found := what():
            return found
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Serving:
    """A running ``serve`` and what it printed before it went to work."""

    process: subprocess.Popen
    address: str
    banner: str
    environment: dict[str, str]

    def printed(self, label: str) -> str:
        found = re.search(rf"^ *{label} +(\S+)$", self.banner, re.MULTILINE)
        assert found, f"{label} is not in:\n{self.banner}"
        return found.group(1)

    @property
    def token(self) -> str:
        """The bearer token that a first start prints."""
        return self.curl.partition("Bearer ")[2].partition("'")[0]

    @property
    def curl(self) -> str:
        found = re.search(r"^ *(curl .*)$", self.banner, re.MULTILINE)
        assert found, self.banner
        return found.group(1)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def children(pid: int) -> dict[int, str]:
    """The processes that this one has started, and their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


@contextmanager
def serve(
    environment: dict[str, str], *arguments: str, log: Path | None = None
) -> Iterator[Serving]:
    """``manage.py serve`` on a free port, answering; ended when the block ends. ``log`` is the file
    that gets what it and its children log."""
    port = free_port()
    with open(log or os.devnull, "ab") as errors:
        process = subprocess.Popen(
            [sys.executable, MANAGE, "serve", "--port", str(port), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        lines = []
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        scheme = "https" if "--tls" in arguments else "http"
        wait_for(lambda: _answers(scheme, port))
        yield Serving(process, f"{scheme}://127.0.0.1:{port}", "".join(lines), environment)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
        if process.stdout:
            process.stdout.close()


def _answers(scheme: str, port: int) -> bool:
    """``serve`` listens before its web server is there, so one request is made."""
    to = ("127.0.0.1", port)
    connection = http.client.HTTPConnection(*to, timeout=30)
    if scheme == "https":
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(*to, timeout=30, context=context)
    with closing(connection):
        try:
            connection.request("GET", "/")
            return connection.getresponse().status > 0
        except OSError:
            return False
