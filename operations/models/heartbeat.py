"""WorkerHeartbeat: which workers live, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

#: A worker says that it lives this often, and counts as silent after this long without a word.
BEAT_EVERY = timedelta(seconds=10)
ALIVE_FOR = timedelta(seconds=30)
#: What is left of a worker that was killed is kept as long.
KEPT = timedelta(days=1)


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    def beat(self, name: str, held: int) -> None:
        """The worker of this name lives and holds so many operations.

        By the database's clock, for it runs on another machine than those who read this.
        """
        if self.filter(name=name).update(seen_at=Now(), held=held):
            return
        self.filter(Q(seen_at__lt=Now() - KEPT) | Q(seen_at__gt=Now() + KEPT)).delete()
        self.create(name=name, held=held, version=settings.VERSION, started_at=Now(), seen_at=Now())

    def leave(self, name: str) -> None:
        """The worker of this name has ended as it should."""
        self.filter(name=name).delete()

    def alive(self, now: datetime) -> WorkerHeartbeatQuerySet:
        return self.filter(seen_at__range=(now - ALIVE_FOR, now + ALIVE_FOR))


class WorkerHeartbeat(models.Model):
    """One row a worker. It renews ``seen_at`` while it lives and takes the row away at its end."""

    name = models.CharField(max_length=100, unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    held = models.PositiveIntegerField(default=0)
    version = models.CharField(max_length=40, blank=True)

    objects = WorkerHeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return self.name

    def is_alive(self, now: datetime) -> bool:
        """Whether it was heard of lately. A time in the future is that of a clock that has been
        set back since: whoever lives says so again."""
        return abs(now - self.seen_at) <= ALIVE_FOR
