"""What belongs to the installation as a whole: its tenant id and its token signing keys."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from operations.models.sealed import SealedTextField

#: For so long after nothing it signed counts any more, a key is still listed.
RETIRED_KEPT = timedelta(days=7)


class Installation(models.Model):
    """The one row that names this installation. Made on first use."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    tenant_id = models.UUIDField(default=uuid.uuid4, editable=False)
    #: Where ``serve`` answered when it was last started; what ``iss`` begins with if no setting
    #: says so. Kept here, because another process, such as ``issue_token``, cannot know it.
    address = models.CharField(max_length=300, default="http://localhost:8000", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="installation_single"),
        ]

    def __str__(self) -> str:
        return str(self.tenant_id)

    @classmethod
    def current(cls) -> Installation:
        return cls.objects.get_or_create(id=1)[0]

    @classmethod
    def remember_address(cls, address: str) -> None:
        cls.objects.update_or_create(id=1, defaults={"address": address})


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def verifying(self, now: datetime) -> SigningKeyQuerySet:
        """Those whose tokens count, the newest first."""
        good = self.filter(Q(retired_at=None) | Q(retired_at__gt=now))
        return good.order_by("-created_at", "kid")

    def forget_old(self) -> int:
        """Delete those that were retired long ago. Returns how many."""
        return self.filter(retired_at__lte=timezone.now() - RETIRED_KEPT).delete()[0]


class SigningKey(models.Model):
    """An RSA key that signs bearer tokens. The newest signs, until ``retired_at`` it verifies;
    ``private_pem`` is empty when SECRET_KEY is not the one that it was sealed by."""

    kid = models.CharField(max_length=64, primary_key=True)
    private_pem = SealedTextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.kid
