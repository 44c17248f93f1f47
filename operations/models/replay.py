"""Replay: the first answer to a request that makes something, for when the request comes again.

Clients send a POST again when a proxy answered 503 or the connection broke, without knowing whether
the first one arrived (graph-contract 4.7). Which requests are the same one is our choice.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

#: How long an answer is kept for a request with the same ``client-request-id``.
WINDOW = timedelta(minutes=10)
#: How long for one that only says ``Retry-Attempt``: the SDKs wait no longer than this.
RETRY_WINDOW = timedelta(seconds=200)
BATCH = 500


class ReplayQuerySet(models.QuerySet["Replay"]):
    def earlier(
        self, app_id: UUID, fingerprint: str, client_request_id: str, *, retries: bool
    ) -> Replay | None:
        """The first answer to this request, None when it is new.

        Args:
            client_request_id: the caller's own, empty when it sent none.
            retries: whether the caller says that it has sent this before (``Retry-Attempt``).
        """
        if not client_request_id and not retries:
            return None
        window = WINDOW if client_request_id else RETRY_WINDOW
        found = self.filter(
            app_id=app_id, fingerprint=fingerprint, client_request_id=client_request_id
        ).first()
        if found and found.created_at <= timezone.now() - window:
            if client_request_id:
                found.delete()  # the same id is new again, and may be kept again
            return None
        return found

    def forget_old(self) -> int:
        """Delete a batch of answers whose time is over. Returns how many."""
        old = self.filter(created_at__lte=timezone.now() - WINDOW).order_by("created_at")
        return self.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()[0]


class Replay(models.Model):
    """One answer: which request (application, its id for it, its content) and what it got."""

    app_id = models.UUIDField()
    client_request_id = models.CharField(max_length=64, blank=True)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ReplayQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        get_latest_by = "id"
        constraints = [
            # of two that arrive at once, the second finds this and gets the first one's answer
            models.UniqueConstraint(
                fields=["app_id", "client_request_id", "fingerprint"],
                name="replay_answered_once",
                condition=~Q(client_request_id=""),
            ),
        ]
        indexes = [
            models.Index(fields=["app_id", "fingerprint", "-created_at"], name="replay_by_request"),
            models.Index(fields=["created_at"], name="replay_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.status} for {self.app_id} {self.client_request_id}".strip()
