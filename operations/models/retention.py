"""Retention: where the installation stands with removing what is older than its settings say."""

from __future__ import annotations

from django.db import models


class Retention(models.Model):
    """The one row of it: the run that goes on or was last, and when the next one is due.

    The row's lock is the lease: it ends with the process that holds it. ``kind`` and ``position``
    (order value and key of the last row that was looked at) say where a run that was broken off
    goes on; ``removed`` counts by kind. All three move in the transaction that deletes.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    kind = models.CharField(max_length=24, blank=True, editable=False)
    position = models.JSONField(null=True, editable=False)
    removed = models.JSONField(default=dict, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    #: When it was due that was put off, because the clock or the service had stood still or jumped.
    put_off_from = models.DateTimeField(null=True, editable=False)

    class Meta:
        default_permissions = ()  # nobody edits it
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="retention_single"),
        ]

    def __str__(self) -> str:
        return "Retention"

    @property
    def is_running(self) -> bool:
        return self.started_at is not None and self.ended_at is None
