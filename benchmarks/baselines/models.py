"""The table of operations, with the columns that an answer needs."""

from __future__ import annotations

from django.db import models


class Operation(models.Model):
    connection_id = models.BigIntegerField()
    graph_id = models.CharField(max_length=128)
    status = models.SmallIntegerField()
    error_code = models.CharField(max_length=255, null=True)  # noqa: DJ001
    error_message = models.TextField(null=True)  # noqa: DJ001
    error_target = models.TextField(null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        app_label = "baselines"
        managed = False
        db_table = "operations_connectionoperation"

    def __str__(self) -> str:
        return self.graph_id
