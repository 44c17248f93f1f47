"""What belongs to the installation as a whole: its tenant id and its token signing keys."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


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


class SigningKey(models.Model):
    """An RSA key that signs bearer tokens. The newest signs; all that are not retired verify."""

    kid = models.CharField(max_length=64, primary_key=True)
    private_pem = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.kid
