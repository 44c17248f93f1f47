"""Which errors mean that the database is away, busy or full: not now, but later.

Whoever asked is told to come again (``errors.DatabaseUnavailable``), the worker tries again. Both
databases have errors of the same classes that no waiting mends; these are told apart here.
"""

from __future__ import annotations

from django.db import InterfaceError, InternalError, OperationalError

#: PostgreSQL's classes of error: https://www.postgresql.org/docs/current/errcodes-appendix.html
STATEMENT_TOO_LARGE = "54"
READ_ONLY = "25006"  # a standby that took over too late, or not yet
DISK_FULL = "53100"
#: SQLite's: https://www.sqlite.org/rescode.html. Its module is not loaded where PostgreSQL is used.
SQLITE_ERROR, SQLITE_FULL = 1, 13


def is_outage(error: BaseException | None) -> bool:
    """Whether the same may go well a little later: no connection, none free, locked, full, slow."""
    if isinstance(error, InterfaceError):
        return True
    state = getattr(getattr(error, "__cause__", None), "sqlstate", None) or ""
    if isinstance(error, InternalError):
        return state == READ_ONLY
    if not isinstance(error, OperationalError):
        return False
    # SQLite's plain ERROR is about the statement: no such table, too many variables
    return _sqlite_code(error) != SQLITE_ERROR and state[:2] != STATEMENT_TOO_LARGE


def is_full(error: BaseException | None) -> bool:
    """Whether the disk of the database is full: reading goes on, writing does not."""
    state = getattr(getattr(error, "__cause__", None), "sqlstate", None)
    return state == DISK_FULL or (error is not None and _sqlite_code(error) == SQLITE_FULL)


def _sqlite_code(error: BaseException) -> int | None:
    code: int | None = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # the rest says it more exactly
