"""The bare upsert: the bytes of a request as they are, by one prepared statement, committed.

No framework, no check, no count, no answer but what is needed. One database connection a thread.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import Any

CREATE = "CREATE TABLE bare_item (id varchar(200) PRIMARY KEY, body text NOT NULL)"
UPSERT = (
    "INSERT INTO bare_item (id, body) VALUES ({0}, {0}) "
    "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
)
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", "2")]
_mine = threading.local()


def _put(graph_id: str, body: str) -> None:
    database: Any = getattr(_mine, "database", None)
    if database is None:
        database = _mine.database = _connect()
    if isinstance(database, sqlite3.Connection):
        database.execute(UPSERT.format("?"), (graph_id, body))
    else:
        database.execute(UPSERT.format("%s"), (graph_id, body), prepare=True)


def _connect() -> Any:
    if "DATABASE_URL" in os.environ:
        import psycopg

        return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    file = f"{os.environ['DATA_DIR']}/connectors.sqlite3"
    database = sqlite3.connect(file, timeout=60, isolation_level=None)
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "PUT":
        length = int(environ["CONTENT_LENGTH"])
        _put(environ["PATH_INFO"], environ["wsgi.input"].read(length).decode())
    start_response("200 OK", _HEADERS)
    return [b"{}"]
