"""RequestCount: how many requests an application has made in the current window of time."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, models
from django.db.models import Q
from django.utils import timezone

from operations.errors import TooManyRequests
from operations.outage import is_full

#: A counter that counts nothing any more is kept for this time: long enough for ``refused_since``.
KEPT_FOR = timedelta(days=1)
BATCH = 500


class RequestCountQuerySet(models.QuerySet["RequestCount"]):
    def forget_old(self) -> int:
        """Delete a batch of counters that count nothing any more, of applications that have been
        silent for long or are gone. Returns how many."""
        window = int(time.time() // settings.THROTTLE_WINDOW)
        day = math.ceil(KEPT_FOR / timedelta(seconds=settings.THROTTLE_WINDOW))
        # a later window than the next is one of another length, or of a clock that was set back
        idle = Q(window__lt=window - day) | Q(window__gt=window + day)
        refused = Q(refused_at__gt=timezone.now() - KEPT_FOR)
        batch = list(self.filter(idle).exclude(refused).values_list("pk", flat=True)[:BATCH])
        return self.filter(pk__in=batch).delete()[0]

    def refused_since(self, app_id: UUID, moment: datetime) -> bool:
        """Whether the application was refused a request after a moment."""
        return self.filter(app_id=app_id, refused_at__gt=moment).exists()


class RequestCount(models.Model):
    """One row an application: the window that is counted, the count in it, the last refusal."""

    app_id = models.UUIDField(primary_key=True)
    window = models.BigIntegerField()
    count = models.BigIntegerField()
    refused_at = models.DateTimeField(null=True)

    objects = RequestCountQuerySet.as_manager()

    class Meta:
        ordering = ["app_id"]

    def __str__(self) -> str:
        return f"{self.count} requests of {self.app_id}"

    @classmethod
    def add(cls, app_id: UUID) -> None:
        """Count one request; raise TooManyRequests above the application's limit in a window of
        THROTTLE_WINDOW seconds.

        One statement, so that any number of processes count together; on PostgreSQL the windows
        are those of the database's clock, on whatever machines the processes run. A refused request
        counts too (graph-contract 4.7). Nothing is asked while there is no limit. A clock that is
        set back begins a new window, as one that goes on does.
        """
        limit = limit_of(app_id)
        if not limit:
            return
        clock, now = _clock()
        whole = "floor" if connection.vendor == "postgresql" else ""  # SQLite's CAST cuts off
        length = settings.THROTTLE_WINDOW
        key = models.UUIDField().get_db_prep_value(app_id, connection)
        refused_at = models.DateTimeField().get_db_prep_value(timezone.now(), connection)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    _COUNT_ONE.format(clock=clock, whole=whole),
                    [key, *now, length, limit, refused_at, *now],
                )
                [count, window, seconds] = cursor.fetchone()
        except OperationalError as error:
            if not is_full(error):
                raise
            return  # whoever only reads is not to suffer for it, and no write will succeed
        if count > limit:
            ends_in = (window + 1) * length - seconds
            raise TooManyRequests(max(1, math.ceil(ends_in)))


def limit_of(app_id: UUID) -> int:
    """How many requests an application may make in a window; 0: any number."""
    return settings.THROTTLE_LIMITS.get(app_id, settings.THROTTLE_LIMIT)


def _clock() -> tuple[str, list[float]]:
    """Seconds since 1970 as SQL, and its parameters: of the clock that all processes share."""
    if connection.vendor == "postgresql":
        return "extract(epoch FROM statement_timestamp())::float8", []
    return "CAST(%s AS double precision)", [time.time()]


_COUNT_ONE = """
    INSERT INTO operations_requestcount AS stored (app_id, "window", count)
    VALUES (%s, CAST({whole}({clock} / %s) AS bigint), 1)
    ON CONFLICT (app_id) DO UPDATE SET
        count = CASE WHEN stored."window" = excluded."window" THEN stored.count + 1 ELSE 1 END,
        refused_at = CASE WHEN stored."window" = excluded."window" AND stored.count >= %s
            THEN %s ELSE stored.refused_at END,
        "window" = excluded."window"
    RETURNING count, "window", {clock}
"""
