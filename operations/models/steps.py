"""The worker's statements: each batch needs all of them, so they are prepared, for any number."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from django.db import models, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from operations.models.connection import ExternalConnection
from operations.models.enums import ConnectionState, OperationStatus
from operations.models.many import OneOf
from operations.models.moves import Kind, outcome_columns
from operations.models.operation import ConnectionOperation
from operations.models.prepared import Prepared, parameter, parameters


def lock(rows: models.QuerySet) -> models.QuerySet:
    """Lock what is read and pass over what others hold, where the database can lock rows.

    SQLite cannot; its transactions take turns instead (BEGIN IMMEDIATE).
    """
    if transaction.get_connection().features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True, of=("self",))
    return rows


#: What a claim needs to know; the database itself puts the schema into force.
OF_CLAIM = (
    *("graph_id", "request_id", "attempt", "worker", "started_at", "lease_until"),
    *("connection", "connection__graph_id"),
)
#: What an end needs to know.
OF_END = ("graph_id", "kind", "status", "attempt", "connection")


@cache
def next_claimable(
    longest_delay: float, lease: float, most: int = 1
) -> Prepared[ConnectionOperation]:
    """What may be claimed, so many at the most, those that have waited longest first;
    ``claimable`` reads both settings."""
    return Prepared(
        lambda: lock(
            ConnectionOperation.objects.claimable(Now())
            .select_related("connection")
            .only(*OF_CLAIM)
            .annotate(database_now=Now())
            .order_by("run_after", "id")[:most]
        ),
        index="operation_claimable",
    )


def _unfinished(**more: Any) -> models.QuerySet[ConnectionOperation]:
    in_progress = ConnectionOperation.objects.filter(status=OperationStatus.INPROGRESS, **more)
    return in_progress.filter(OneOf("id", "keys"))


def _held() -> models.QuerySet[ConnectionOperation]:
    return _unfinished(worker=parameter(ConnectionOperation, "held_by=worker"))


def _locked_held(*, skip: bool) -> models.QuerySet[ConnectionOperation]:
    locked = _held().select_for_update(skip_locked=skip)
    return locked.only(*OF_END).annotate(database_now=Now()).order_by("id")


def _alive(*, skip: bool) -> models.QuerySet[ExternalConnection]:
    alive = ExternalConnection.objects.alive()
    alive = alive.select_for_update(no_key=True, skip_locked=skip)
    return alive.filter(OneOf("id", "keys")).only("graph_id", "state").order_by("id")


def _failed_before() -> models.QuerySet[ConnectionOperation, Any]:
    failures = ConnectionOperation.objects.open_failures().filter(kind=Kind.SCHEMA_REGISTRATION)
    connections = failures.filter(OneOf("connection_id", "connections"))
    return connections.order_by().values_list("connection_id").distinct()


#: Of what ``next_claimable`` has locked, so nobody else can have changed it since.
TAKEN = Prepared(
    _unfinished,
    parameters(ConnectionOperation, ["worker", "lease_until", "changed_at"])
    | {
        "attempt": F("attempt") + 1,
        "started_at": Coalesce("started_at", parameter(ConnectionOperation, "changed_at")),
    },
)
#: In the order of their keys. What is ``FREE`` nobody else has locked just now.
ALIVE, ALIVE_AND_FREE = (Prepared(partial(_alive, skip=skip)) for skip in (False, True))
HELD, HELD_AND_FREE = (Prepared(partial(_locked_held, skip=skip)) for skip in (False, True))
#: Of what is locked, so the attempts are those that were found.
ENDED = Prepared(
    _held,
    parameters(
        ConnectionOperation, [*outcome_columns(OperationStatus.FAILED, None, None), "changed_at"]
    ),
)
BECAME_READY = Prepared(
    lambda: ExternalConnection.objects.filter(OneOf("id", "keys"), state=ConnectionState.DRAFT),
    {"state": ConnectionState.READY, "changed_at": Now()},
)
#: The connections with a failure that a success supersedes.
FAILED_BEFORE = Prepared(_failed_before, index="operation_open_failures")
