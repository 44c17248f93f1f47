"""Refusal: a call that was not let in, kept for a while so that "why" can be answered by its id."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

#: A refusal is forgotten after this time, and when this many newer ones are kept.
KEPT_FOR = timedelta(days=7)
MOST_KEPT = 10_000
BATCH = 500


class RefusalQuerySet(models.QuerySet["Refusal"]):
    def of_request(self, text: str) -> RefusalQuerySet:
        """Those of one request by our id for it, or by the caller's, which may be that of several;
        the newest first."""
        same = Q(request_id=text) | Q(client_request_id=text)
        return self.filter(same).order_by("-id")

    def forget_old(self) -> int:
        """Delete a batch of those that are too old or too many. Returns how many."""
        old = Q(at__lte=timezone.now() - KEPT_FOR)
        newest = self.order_by("-id").values_list("pk", flat=True)
        too_many = newest[MOST_KEPT : MOST_KEPT + 1].first()
        if too_many is not None:
            old |= Q(pk__lte=too_many)
        batch = list(self.filter(old).order_by("id").values_list("pk", flat=True)[:BATCH])
        return self.filter(pk__in=batch).delete()[0]


class Refusal(models.Model):
    """A 401 or 403 of the API, or a client that got no token: what was asked, by whom as far as the
    call tells, what it lacked.

    ``code`` and ``message`` are those of the answer, ``needed`` and ``held`` the roles that the
    call accepts and that the token still gave. ``facts`` is what the token said of itself, which is
    proven only when its signature was: ``issuer``, ``audience``, ``expires``, ``roles``,
    ``secretId``. Neither the token nor a secret is kept.
    """

    request_id = models.CharField(max_length=64, db_index=True)
    client_request_id = models.CharField(max_length=64, blank=True, db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=300)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=100)
    message = models.TextField()
    lack = models.CharField(max_length=32, blank=True)  # a Lack
    app_id = models.UUIDField(null=True)
    needed = models.JSONField(default=list)
    held = models.JSONField(default=list)
    facts = models.JSONField(default=dict)

    objects = RefusalQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["app_id", "-id"], name="refusal_by_app")]

    def __str__(self) -> str:
        return f"{self.status} {self.method} {self.path}"
