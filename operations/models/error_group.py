"""ErrorGroup: failures that say the same, whatever ids, numbers and names they say it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F

from operations.fingerprints import pattern

if TYPE_CHECKING:
    from operations.models.operation import ConnectionOperation


class ErrorGroupQuerySet(models.QuerySet["ErrorGroup"]):
    def note(self, operation: ConnectionOperation) -> None:
        """One more failure of its group. Call it in the transaction of the failure."""
        assert operation.finished_at is not None
        seen = {"count": F("count") + 1, "last_seen": operation.finished_at}
        group = self.filter(fingerprint=operation.fingerprint)
        if not group.update(**seen):
            new = ErrorGroup(
                fingerprint=operation.fingerprint,
                pattern=pattern(operation.error_message or ""),
                code=operation.error_code or "",
                target=operation.error_target or "",
                count=0,
                first_seen=operation.finished_at,
                last_seen=operation.finished_at,
            )
            ErrorGroup.objects.bulk_create([new], ignore_conflicts=True)
            group.update(**seen)


class ErrorGroup(models.Model):
    """All failures with one fingerprint. ``count`` is how often it was seen, deleted ones too."""

    fingerprint = models.CharField(max_length=32, unique=True, editable=False)
    pattern = models.TextField("sentence", blank=True, editable=False)
    code = models.TextField(blank=True, editable=False)
    target = models.TextField(blank=True, editable=False)
    count = models.BigIntegerField(editable=False)
    first_seen = models.DateTimeField(editable=False)
    last_seen = models.DateTimeField(editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True, editable=False)
    resolved_by = models.CharField(max_length=200, blank=True, editable=False)
    ignored_until = models.DateTimeField(null=True, blank=True, editable=False)
    cause = models.CharField(
        max_length=100,
        blank=True,
        editable=False,
        help_text="Id of an entry of the catalogue of causes. Empty: the one that matches.",
    )

    objects = ErrorGroupQuerySet.as_manager()

    class Meta:
        ordering = ["-last_seen", "-id"]
        indexes = [models.Index(fields=["-last_seen", "-id"], name="error_group_by_last_seen")]

    def __str__(self) -> str:
        return self.pattern or self.code or "Failed without an error"
