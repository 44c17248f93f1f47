"""WorkerHeartbeat: which workers live, and since when."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class WorkerHeartbeat(models.Model):
    """One row a worker. It renews ``seen_at`` while it lives and takes the row away at its end."""

    name = models.CharField(max_length=100, unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    held = models.PositiveIntegerField(default=0)
    version = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return self.name
