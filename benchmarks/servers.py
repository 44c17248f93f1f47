"""Starts the service and its baselines, each one process, on one database."""

from __future__ import annotations

import http.client
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from tests.processes import HOME, free_port, wait_for

#: Threads of a web server: more than the connections that are measured.
THREADS = 8


@contextmanager
def wsgi(environment: dict[str, str], module: str) -> Iterator[str]:
    """``benchmarks.baselines.MODULE`` under gunicorn, in threads as ours; yields its address."""
    port = free_port()
    server = ["-m", "gunicorn", "--worker-class", "gthread", "--threads", str(THREADS)]
    server += ["--keep-alive", "75", "--no-control-socket", "--log-level", "warning"]
    with _running(
        environment,
        [*server, "--bind", f"127.0.0.1:{port}", f"benchmarks.baselines.{module}:application"],
        port,
    ) as address:
        yield address


@contextmanager
def asgi(environment: dict[str, str], module: str) -> Iterator[str]:
    """``benchmarks.baselines.MODULE`` under uvicorn."""
    port = free_port()
    server = ["-m", "uvicorn", "--port", str(port), "--log-level", "warning", "--no-access-log"]
    with _running(environment, [*server, f"benchmarks.baselines.{module}:app"], port) as address:
        yield address


@contextmanager
def _running(environment: dict[str, str], command: Sequence[str], port: int) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, *command], cwd=HOME, env=os.environ | environment)
    try:
        wait_for(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, f"{command} has ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except OSError:
        return False
    finally:
        connection.close()


def execute(environment: dict[str, str], *statements: str) -> None:
    """Have an installation's database do this, each in a transaction of its own."""
    if "DATABASE_URL" in environment:
        import psycopg

        with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as database:
            for statement in statements:
                database.execute(statement)
        return
    file = f"{environment['DATA_DIR']}/connectors.sqlite3"
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as database:
        # what Django gives each of its connections; constraints use it
        database.create_function("REGEXP", 2, lambda form, text: bool(re.search(form, text)))
        for statement in statements:
            database.execute(statement)
