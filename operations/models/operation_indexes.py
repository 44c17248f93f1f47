"""How operations are found: each index, and what asks for it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from operations.models.durations import seconds_taken
from operations.models.enums import OperationStatus
from operations.models.moves import Kind, Triage
from operations.models.texts import SORTED, Beginning, ByCodePoint

INDEXES = [
    # the API's list of one connection: newest first, pages by key
    models.Index(fields=["connection", "id"], name="operation_by_connection"),
    # the dashboard's list of one status
    models.Index(fields=["status", "id"], name="operation_by_status"),
    # and of what an application asked for
    models.Index(
        fields=["requested_app_id", "id"],
        name="operation_by_application",
        condition=Q(requested_app_id__isnull=False),
    ),
    # and of what took long
    models.Index(seconds_taken(), name="operation_by_duration"),
    # the retries of one, where there are any
    models.Index(
        fields=["retry_of"],
        name="operation_retries",
        condition=Q(retry_of__isnull=False),
    ),
    # the lists of the last hours or days
    models.Index(fields=["created_at", "id"], name="operation_by_time"),
    # the worker's claim
    models.Index(
        fields=["run_after", "id"],
        name="operation_claimable",
        condition=Q(kind=Kind.SCHEMA_REGISTRATION, status=OperationStatus.INPROGRESS),
    ),
    # what needs a person
    models.Index(
        fields=["connection", "id"],
        name="operation_open_failures",
        condition=Q(triage=Triage.OPEN),
    ),
    # what does not end
    models.Index(
        fields=["overdue_at"],
        name="operation_overdue",
        condition=Q(status=OperationStatus.INPROGRESS),
    ),
    # the API's list of one status, or sorted by it; whether a connection is at work; the
    # newest completions of a connection, whose median is the usual duration
    models.Index(fields=["connection", "status", "id"], name="operation_by_conn_and_status"),
    # the same of our worker's, which are rare among those that are reported
    models.Index(
        fields=["connection", "status", "id"],
        name="operation_registrations",
        condition=Q(kind=Kind.SCHEMA_REGISTRATION),
    ),
    # the API's lists that are sorted by a part of the error
    *(
        models.Index(
            "connection",
            ByCodePoint(Beginning(column, SORTED)),
            F("id").desc(),
            name=f"operation_by_{column}",
            condition=Q(**{f"{column}__isnull": False}),
        )
        for column in ("error_code", "error_message", "error_target")
    ),
    # the failures of one error
    models.Index(
        fields=["fingerprint", "id"],
        name="operation_by_error",
        condition=~Q(fingerprint=""),
    ),
    # those that nobody has seen to yet
    models.Index(
        fields=["fingerprint", "id"],
        name="operation_open_by_error",
        condition=Q(triage=Triage.OPEN),
    ),
    # the search for an id, or how one begins, that came without its connection
    models.Index(
        fields=["graph_id"],
        name="operation_by_graph_id",
        opclasses=["varchar_pattern_ops"],  # PostgreSQL's, for LIKE 'abc%'
    ),
]
