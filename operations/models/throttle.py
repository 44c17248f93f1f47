"""RequestCount: how many requests an application has made in the current window of time."""

from __future__ import annotations

import math
import time
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, models
from django.utils import timezone

from operations.errors import TooManyRequests
from operations.outage import is_full


class RequestCountQuerySet(models.QuerySet["RequestCount"]):
    def add(self, app_id: UUID) -> None:
        """Count one request; raise TooManyRequests above THROTTLE_LIMIT in THROTTLE_WINDOW seconds.

        One statement, so that any number of processes count together. A refused request counts
        too (graph-contract 4.7). Off while THROTTLE_LIMIT is 0.
        """
        if not settings.THROTTLE_LIMIT:
            return
        now = time.time()
        window = int(now // settings.THROTTLE_WINDOW)
        try:
            count = self._count_one(app_id, window)
        except OperationalError as error:
            if not is_full(error):
                raise
            return  # whoever only reads is not to suffer for it, and no write will succeed
        if count > settings.THROTTLE_LIMIT:
            self.filter(app_id=app_id).update(refused_at=timezone.now())
            ends_in = (window + 1) * settings.THROTTLE_WINDOW - now
            raise TooManyRequests(max(1, math.ceil(ends_in)))

    def _count_one(self, app_id: UUID, window: int) -> int:
        with connection.cursor() as cursor:
            key = models.UUIDField().get_db_prep_value(app_id, connection)
            cursor.execute(_COUNT_ONE, [key, window])
            [count] = cursor.fetchone()
        return count

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


_COUNT_ONE = """
    INSERT INTO operations_requestcount AS stored (app_id, "window", count) VALUES (%s, %s, 1)
    ON CONFLICT (app_id) DO UPDATE SET
        count = CASE WHEN stored."window" = excluded."window" THEN stored.count + 1 ELSE 1 END,
        "window" = excluded."window"
    RETURNING count
"""
