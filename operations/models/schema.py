"""Schema: what is registered for a connection, one row per version."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from operations.models.connection import ExternalConnection
from operations.models.many import OneOf, as_one, one_of
from operations.models.operation import ConnectionOperation
from operations.models.prepared import Prepared
from operations.schema_rules import BASE_TYPE

#: The database copies what the operation asked for, so that nobody else waits while it is read and
#: written again.
_BRING_INTO_FORCE = """
    INSERT INTO operations_schema
        (connection_id, version, base_type, properties, operation_id, in_force_at)
    SELECT o.connection_id,
        1 + COALESCE(
            (SELECT MAX(s.version) FROM operations_schema s
             WHERE s.connection_id = o.connection_id), 0
        ),
        {base_type}, {properties}, o.id, %s
    FROM operations_connectionoperation o WHERE o.id {one_of} ORDER BY o.id
"""
_MEMBERS = {
    "postgresql": {
        "base_type": "o.payload ->> 'baseType'",
        "properties": "o.payload -> 'properties'",
    },
    "sqlite": {
        "base_type": "json_extract(o.payload, '$.baseType')",
        "properties": "json_extract(o.payload, '$.properties')",
    },
}


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

    @classmethod
    def bring_into_force(cls, operations: Collection[int], at: datetime) -> dict[int, int]:
        """What these operations asked for, each of another connection, becomes its next version.
        Returns the versions by the operations' keys. Call it in the transaction that completes
        them, which has locked their connections."""
        connection = connections[DEFAULT_DB_ALIAS]
        text = _BRING_INTO_FORCE.format(one_of=one_of(connection), **_MEMBERS[connection.vendor])
        moment = models.DateTimeField().get_db_prep_value(at, connection)
        with connection.cursor() as cursor:
            cursor.execute(text, [moment, as_one(operations, connection)])
        return dict(_VERSIONS_OF.tuples(operations=operations))

    @property
    def document(self) -> dict:
        """The schema as it was registered, in canonical form."""
        return {"baseType": self.base_type, "properties": self.properties}


_VERSIONS_OF: Prepared[Schema] = Prepared(
    lambda: (
        Schema.objects.filter(OneOf("operation_id", "operations"))
        .order_by()
        .values_list("operation_id", "version")
    )
)
