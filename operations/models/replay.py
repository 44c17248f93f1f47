"""Replay: the first answer to a request that makes something, for when the request comes again.

Clients send a POST again when a proxy answered 503 or the connection broke, without knowing whether
the first one arrived (graph-contract 4.7). Which requests are the same one is our choice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from operations.models.connection import ExternalConnection
from operations.models.enums import OperationStatus
from operations.models.group import ExternalGroup, GroupMember
from operations.models.item import ExternalItem
from operations.models.item_row import ItemRow
from operations.models.operation import ConnectionOperation
from operations.models.prepared import ask
from operations.models.throttle import RequestCount

#: How long an answer is kept for a request with the same ``client-request-id``.
WINDOW = timedelta(minutes=10)
#: How long for one that only says ``Retry-Attempt``: the SDKs wait no longer than this.
RETRY_WINDOW = timedelta(seconds=200)
BATCH = 500
#: What may be made in a connection, by the name that an answer has for it.
CONTENT: dict[str, type[models.Model]] = {
    "item": ExternalItem,
    "group": ExternalGroup,
    "member": GroupMember,
}
_ALONE = "SELECT pg_advisory_xact_lock(%s)"
_TOGETHER = "SELECT pg_advisory_xact_lock_shared(%s)"


@dataclass(frozen=True)
class RequestKey:
    """Which request it is: the application's, with this content, under its own id for it.

    ``client_request_id`` is empty when the caller sent none; ``retries`` is whether it says that
    it has sent this before (``Retry-Attempt``).
    """

    app_id: UUID
    fingerprint: str
    client_request_id: str
    retries: bool

    @property
    def lock_number(self) -> int:
        """The same for equal requests, in 64 bits."""
        text = f"{self.app_id} {self.fingerprint} {self.client_request_id}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


class ReplayQuerySet(models.QuerySet["Replay"]):
    def earlier(self, key: RequestKey) -> Replay | None:
        """The first answer to this request, None when it is new.

        Call it in the transaction that makes what is new: of equal requests that arrive at once,
        each waits here for the one before. Those that cannot be a repetition (no id, and they do
        not say so) only let a repetition wait, not each other.
        """
        known = bool(key.client_request_id or key.retries)
        if connection.vendor == "postgresql":
            ask(connection, _ALONE if known else _TOGETHER, [key.lock_number]).fetchall()
        # SQLite's transactions take turns anyway
        if not known:
            return None
        found = self.filter(
            app_id=key.app_id,
            fingerprint=key.fingerprint,
            client_request_id=key.client_request_id,
        ).first()
        if found is None or found.stands(key):
            return found
        found.delete()  # the request is new again, and its answer may be kept again
        return None

    def forget_old(self) -> int:
        """Delete a batch of answers whose time is over. Returns how many."""
        old = self.filter(created_at__lte=timezone.now() - WINDOW).order_by("created_at")
        return self.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()[0]


class Replay(models.Model):
    """One answer: which request (application, its id for it, its content) and what it got.

    What it made is referred to by value, for it may be gone before the answer is forgotten.
    """

    app_id = models.UUIDField()
    client_request_id = models.CharField(max_length=64, blank=True)
    fingerprint = models.CharField(max_length=64)
    connection_key = models.BigIntegerField(null=True)
    operation_key = models.BigIntegerField(null=True)
    # a name in CONTENT; the release before, which does not know it, goes on during an upgrade
    content_kind = models.CharField(max_length=16, blank=True, default="", db_default="")
    content_key = models.BigIntegerField(null=True)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ReplayQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        get_latest_by = "id"
        constraints = [
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

    @staticmethod
    def about(made: models.Model | ItemRow) -> dict[str, Any]:
        """The columns that refer to what was made."""
        if isinstance(made, ItemRow):
            return {"content_kind": "item", "content_key": made.pk}
        for name, model in CONTENT.items():
            if isinstance(made, model):
                return {"content_kind": name, "content_key": made.pk}
        if isinstance(made, ConnectionOperation):
            return {"operation_key": made.pk}
        return {"connection_key": made.pk}

    @property
    def lacks_body(self) -> bool:
        """Whether the answer had a body that was not kept."""
        return not self.body and "Content-Type" in self.headers

    def stands(self, key: RequestKey) -> bool:
        """Whether the answer is still one to the request: not too old, and of something there."""
        window = WINDOW if key.client_request_id else RETRY_WINDOW
        if self.created_at <= timezone.now() - window:
            return False
        if not key.client_request_id and RequestCount.objects.refused_since(
            key.app_id, self.created_at
        ):
            # the retry may be of a request that we refused meanwhile, and that had no effect
            return False
        if self.operation_key is not None:
            return _operation_stands(self.operation_key)
        if self.content_key is not None:
            return CONTENT[self.content_kind]._default_manager.filter(pk=self.content_key).exists()
        made = ExternalConnection.objects.alive().filter(pk=self.connection_key or 0)
        return made.exists()


def _operation_stands(key: int) -> bool:
    """A registration that failed, or that another one followed, is one to ask for anew."""
    operation = ConnectionOperation.objects.filter(pk=key).first()
    if operation is None or not operation.is_workers:
        return operation is not None
    later = ConnectionOperation.objects.filter(
        connection_id=operation.connection_id, kind=operation.kind, pk__gt=operation.pk
    )
    return operation.status != OperationStatus.FAILED and not later.exists()
