"""BulkRun: one action on everything that matches a filter, in steps that survive a stop."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from operations.models.change import Actor, ActorKind, Channel


class BulkAction(models.TextChoices):
    RETRY = "retry", "Retry"
    ACKNOWLEDGE = "acknowledge", "Acknowledge"
    FAIL = "fail", "Mark as failed"
    COMPLETE = "complete", "Mark as completed"


class BulkRun(models.Model):
    """What was asked for, by whom and why, how far it has come, and what became of each row.

    ``position`` is the key of the last row that was handled; it moves in the transaction that
    handles the row, so a run that is broken off goes on behind it and does nothing twice.
    """

    run_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    action = models.CharField(max_length=12, choices=BulkAction)
    selection = models.JSONField()
    reason = models.TextField(blank=True)
    error = models.JSONField(null=True, blank=True)
    actor_name = models.CharField(max_length=200)
    request_id = models.CharField(max_length=64, blank=True)
    last_key = models.BigIntegerField()
    position = models.BigIntegerField(default=0)
    expected = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(action__in=BulkAction.values), name="bulk_run_action_known"
            ),
        ]
        indexes = [
            # the worker asks "is a run unfinished"; almost always none is
            models.Index(
                fields=["id"],
                name="bulk_run_unfinished",
                condition=models.Q(finished_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.expected} operations"

    @property
    def actor(self) -> Actor:
        """Who is named in every Change of the run: the person who asked for it."""
        return Actor(
            ActorKind.OPERATOR, self.actor_name, Channel.DASHBOARD, request_id=self.request_id
        )
