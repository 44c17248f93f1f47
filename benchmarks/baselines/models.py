"""The table of operations, with the columns that an answer needs, and both tables of a write."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class Columns(models.Model):
    """What both a read and a write need."""

    connection_id = models.BigIntegerField()
    graph_id = models.CharField(max_length=128)
    status = models.SmallIntegerField()
    error_code = models.CharField(max_length=255, null=True)  # noqa: DJ001
    error_message = models.TextField(null=True)  # noqa: DJ001
    error_target = models.TextField(null=True)  # noqa: DJ001
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
        app_label = "baselines"
        managed = False
        db_table = "operations_connectionoperation"

    def __str__(self) -> str:
        return self.graph_id


class Operation(Columns):
    class Meta(Columns.Meta):
        abstract = False


class WholeOperation(Columns):
    """With every other column, as one needs it to write."""

    kind = models.CharField(max_length=24, default="reported")
    error_details = models.JSONField(null=True)
    error_inner = models.JSONField(null=True)
    payload = models.JSONField(null=True)
    requested_by = models.CharField(max_length=200, default="baseline")
    requested_app_id = models.UUIDField(default=uuid.uuid4)
    request_id = models.CharField(max_length=64)
    retry_of_id = models.BigIntegerField(null=True)
    triage = models.CharField(max_length=12)
    triage_note = models.TextField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    usual_seconds = models.FloatField(null=True)
    overdue_at = models.DateTimeField(null=True)
    fingerprint = models.CharField(max_length=32)
    run_after = models.DateTimeField(default=timezone.now)
    worker = models.CharField(max_length=100)
    lease_until = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)

    class Meta(Columns.Meta):
        abstract = False


class Change(models.Model):
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=40)
    channel = models.CharField(max_length=12, default="api")
    actor_kind = models.CharField(max_length=12, default="application")
    actor_name = models.CharField(max_length=200, default="baseline")
    actor_app_id = models.UUIDField(default=uuid.uuid4)
    request_id = models.CharField(max_length=64)
    connection_key = models.BigIntegerField()
    connection_graph_id = models.CharField(max_length=32, default="measured")
    operation_key = models.BigIntegerField()
    operation_graph_id = models.CharField(max_length=128)
    subject = models.CharField(max_length=200)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    note = models.TextField()

    class Meta:
        app_label = "baselines"
        managed = False
        db_table = "operations_change"

    def __str__(self) -> str:
        return self.action
