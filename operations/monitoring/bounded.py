"""Asking the database, but not for longer than the asker waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.db import connection, transaction

T = TypeVar("T")

#: Looks of one process at the same time; the others wait until one has ended.
MOST_AT_ONCE = 8
_free = threading.BoundedSemaphore(MOST_AT_ONCE)


def within(seconds: float, look: Callable[[], T]) -> T:
    """What ``look`` finds, or TimeoutError; whatever it raises is raised here.

    It runs beside this thread with a database connection of its own, which is made anew: also a
    network that swallows packets, a pool that is used up or a lock cannot hold the caller. What was
    given up ends by itself, on PostgreSQL as soon as the server sees that its time is over.
    """
    end = time.monotonic() + seconds
    if not _free.acquire(timeout=seconds):
        raise TimeoutError("Earlier looks at the database still hang.")
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(_limited(seconds, look))
        except BaseException as error:
            found.set_exception(error)
        finally:
            _free.release()

    try:
        threading.Thread(target=run, name="look-at-database", daemon=True).start()
    except RuntimeError:  # there are no more threads
        _free.release()
        raise
    return found.result(max(0, end - time.monotonic()))


def _limited(seconds: float, look: Callable[[], T]) -> T:
    try:
        if connection.vendor != "postgresql":
            return look()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            return look()
    finally:
        connection.close()
