"""The worker's statements: each registration needs all of them, so they are prepared."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Now

from operations.models.claim import FENCE
from operations.models.connection import ExternalConnection
from operations.models.enums import ConnectionState, OperationStatus
from operations.models.moves import outcome_columns
from operations.models.operation import ConnectionOperation
from operations.models.prepared import Prepared, parameter, parameters
from operations.models.schema import Schema


def lock(rows: models.QuerySet) -> models.QuerySet:
    """Lock what is read and pass over what others hold, where the database can lock rows.

    SQLite cannot; its transactions take turns instead (BEGIN IMMEDIATE).
    """
    if transaction.get_connection().features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True, of=("self",))
    return rows


#: What a claim needs to know; the schema is read when it is its turn.
OF_CLAIM = (
    *("graph_id", "request_id", "attempt", "worker", "started_at", "lease_until"),
    *("connection", "connection__graph_id"),
)


@cache
def next_claimable(longest_delay: float, lease: float) -> Prepared[ConnectionOperation]:
    """What may be claimed, the one that has waited longest first; ``claimable`` reads both
    settings."""
    return Prepared(
        lambda: lock(
            ConnectionOperation.objects.claimable(Now())
            .select_related("connection")
            .only(*OF_CLAIM)
            .annotate(database_now=Now())
            .order_by("run_after", "id")[:1]
        ),
        index="operation_claimable",
    )


def _as_before_the_claim() -> models.QuerySet[ConnectionOperation]:
    return ConnectionOperation.objects.filter(
        pk=parameter(ConnectionOperation, "key=id"),
        attempt=parameter(ConnectionOperation, "before=attempt"),
        status=OperationStatus.INPROGRESS,
    )


def _alive_above() -> models.QuerySet[ExternalConnection]:
    alive = ExternalConnection.objects.alive().select_for_update(no_key=True)
    above = alive.filter(operations__pk=parameter(ConnectionOperation, "operation=id"))
    return above.only("graph_id")


def _draft() -> models.QuerySet[ExternalConnection]:
    key = parameter(ExternalConnection, "key=id")
    return ExternalConnection.objects.filter(pk=key, state=ConnectionState.DRAFT)


def _latest_version() -> models.QuerySet[Schema, Any]:
    versions = Schema.objects.filter(connection_id=parameter(Schema, "connection"))
    return versions.order_by("-version").values_list("version")[:1]


TAKEN = Prepared(
    _as_before_the_claim,
    parameters(
        ConnectionOperation, ["worker", "attempt", "lease_until", "started_at", "changed_at"]
    ),
)
ALIVE_ABOVE = Prepared(_alive_above)
MINE = Prepared(
    lambda: (
        ConnectionOperation.objects.select_for_update().filter(FENCE).annotate(database_now=Now())
    )
)
ENDED = Prepared(
    lambda: ConnectionOperation.objects.filter(FENCE),
    parameters(
        ConnectionOperation, [*outcome_columns(OperationStatus.FAILED, None, None), "changed_at"]
    ),
)
LATEST_VERSION = Prepared(_latest_version)
BECAME_READY = Prepared(_draft, {"state": ConnectionState.READY, "changed_at": Now()})
