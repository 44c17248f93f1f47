"""Refusal: a call that was not let in, kept for a while so that "why" can be answered by its id."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Refusal(models.Model):
    """A 401 or 403 of the API: what was asked, by whom as far as the token tells, what lacked."""

    request_id = models.CharField(max_length=64, db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=300)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=100)
    message = models.TextField()
    app_id = models.UUIDField(null=True)
    needed = models.JSONField(default=list)
    held = models.JSONField(default=list)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["app_id", "-id"], name="refusal_by_app")]

    def __str__(self) -> str:
        return f"{self.status} {self.method} {self.path}"
