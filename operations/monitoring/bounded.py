"""Asking the database, but not for longer than the asker waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.db import connection, transaction

T = TypeVar("T")

#: Looks that may hang at the same time in one process; more are not begun.
MOST_AT_ONCE = 8
_free = threading.BoundedSemaphore(MOST_AT_ONCE)


def within(seconds: float, look: Callable[[], T]) -> T:
    """What ``look`` finds, or TimeoutError; whatever it raises is raised here.

    It runs beside this thread with a database connection of its own, which is made anew: also a
    network that swallows packets, a pool that is used up or a lock cannot hold the caller. What was
    given up ends by itself, on PostgreSQL as soon as the server sees that its time is over.
    """
    if not _free.acquire(blocking=False):
        raise TimeoutError("Earlier looks at the database still hang.")
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(_limited(seconds, look))
        except BaseException as error:
            found.set_exception(error)
        finally:
            _free.release()

    threading.Thread(target=run, name="look-at-database", daemon=True).start()
    return found.result(seconds)


def _limited(seconds: float, look: Callable[[], T]) -> T:
    try:
        if connection.vendor != "postgresql":
            return look()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            return look()
    finally:
        connection.close()
