"""Schema: what is registered for a connection, one row per version."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from operations.models.connection import ExternalConnection
from operations.models.operation import ConnectionOperation
from operations.schema_rules import BASE_TYPE


class Schema(models.Model):
    """``microsoft.graph.externalConnectors.schema``. The highest version is the one in force.

    A row is written by the completion of the operation that asked for it, in one transaction, so
    a failed registration leaves the earlier version in force.
    """

    connection = models.ForeignKey(
        ExternalConnection, on_delete=models.CASCADE, related_name="schemas"
    )
    version = models.PositiveIntegerField()
    base_type = models.CharField(max_length=64)
    properties = models.JSONField()
    operation = models.OneToOneField(
        ConnectionOperation,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="registered_schema",
    )
    in_force_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["connection", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "version"],
                name="schema_version_once",
                violation_error_message="This version of the schema exists already.",
            ),
            models.CheckConstraint(
                condition=models.Q(base_type=BASE_TYPE),
                name="schema_base_type",
                violation_error_message=f"The base type must be {BASE_TYPE}.",
            ),
            models.CheckConstraint(
                condition=models.Q(version__gte=1),
                name="schema_version_positive",
                violation_error_message="Versions count from 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection} version {self.version}"

    @classmethod
    def all_in_force(cls) -> models.QuerySet[Schema]:
        """Of each connection the highest version."""
        newer = cls.objects.filter(
            connection=OuterRef("connection"), version__gt=OuterRef("version")
        )
        return cls.objects.filter(~Exists(newer))

    @property
    def document(self) -> dict:
        """The schema as it was registered, in canonical form."""
        return {"baseType": self.base_type, "properties": self.properties}
