"""BulkRun: one action on everything that matches a filter, in steps that survive a stop."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from operations.fingerprints import pattern
from operations.models.change import Actor, ActorKind, Channel

if TYPE_CHECKING:
    from operations.models.operation import ConnectionOperation

#: Different reasons that a run tells apart, and operations that it names for each.
MAX_REASONS = 50
MAX_EXAMPLES = 5


class BulkAction(models.TextChoices):
    RETRY = "retry", "Retry"
    ACKNOWLEDGE = "acknowledge", "Acknowledge"
    FAIL = "fail", "Mark as failed"
    COMPLETE = "complete", "Mark as completed"


class Outcome(models.TextChoices):
    """What became of a row: refused is what the domain said no to."""

    DONE = "done", "Done"
    SKIPPED = "skipped", "Skipped"
    REFUSED = "refused", "Refused"


class Skip(models.TextChoices):
    """Why there was nothing to do on a row."""

    NOT_FAILED = "notFailed", "It has not failed."
    REPORTED = "reported", "Another service reports it, and only that one can report a new one."
    FOLLOWED = "followed", "A newer registration of the connection exists."
    ACKNOWLEDGED = "acknowledged", "It was acknowledged already."
    SUPERSEDED = "superseded", "A later success has settled it."
    COMPLETED = "completed", "It had completed already."
    FAILED = "failed", "It had failed already."


class BulkRun(models.Model):
    """What was asked for, by whom and why, how far it has come, and what became of each row.

    ``position`` is the key of the last row that was handled; it moves in the transaction that
    handles the row, so a run that is broken off goes on behind it and does nothing twice.
    ``reasons`` groups what was skipped and refused: outcome -> group -> ``{"why", "count",
    "examples"}``. ``why`` is a Skip, a sentence, or empty for all further reasons; an example is
    ``[connection id, id]``.
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
    stopped_by = models.CharField(max_length=200, blank=True, editable=False)

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
        what = "operation" if self.expected == 1 else "operations"
        return f"{self.get_action_display()} {self.expected:,} {what}"

    @property
    def actor(self) -> Actor:
        """Who is named in every Change of the run: the person who asked for it."""
        return Actor(
            ActorKind.OPERATOR, self.actor_name, Channel.DASHBOARD, request_id=self.request_id
        )

    def count(self, outcome: Outcome, why: str, operation: ConnectionOperation) -> None:
        """One more row that was handled; ``why`` says why nothing was done."""
        setattr(self, outcome.value, getattr(self, outcome.value) + 1)
        if outcome == Outcome.DONE:
            return
        groups = self.reasons.setdefault(outcome.value, {})
        # sentences differ by the ids in them
        group = pattern(why)
        if group not in groups and len(groups) >= MAX_REASONS:
            group = why = ""
        entry = groups.setdefault(group, {"why": str(why), "count": 0, "examples": []})
        entry["count"] += 1
        if len(entry["examples"]) < MAX_EXAMPLES:
            entry["examples"].append([operation.connection.graph_id, operation.graph_id])
