"""What PostgreSQL's planner is told once on each connection."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from django.db.backends.signals import connection_created

#: Connections of the driver that have been told; a pool hands out the same ones again.
_told: WeakSet[Any] = WeakSet()


def without_compiler(connection: Any, **_: Any) -> None:
    """Plan without compiling to machine code (``jit``).

    The estimate of a page's query can be high because of what it asks only when there is much; to
    compile then costs 100 ms, and what is saved is less than one. Where connections do not stay,
    a pooler may be between, and it is not told: what it hands out belongs to others as well.
    """
    if connection.vendor != "postgresql":
        return
    settings = connection.settings_dict
    stays = settings["CONN_MAX_AGE"] != 0 or settings["OPTIONS"].get("pool")
    if stays and connection.connection not in _told:
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
        _told.add(connection.connection)


connection_created.connect(without_compiler)
