"""Asynchronous work, as those see it who ask for it: the caller's end of the 202.

``request_registration`` and ``retry`` put a row in; that row is the job, which a worker does
(``operations.registering``). Deleting a connection is ``request_deletion`` here and ``purge_step``
in the worker. No transaction waits or works inside.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from operations.errors import (
    InvalidRequest,
    InvalidStateTransition,
    ItemNotFound,
    OperationInProgress,
)
from operations.models import (
    Action,
    Actor,
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    ItemTally,
    Kind,
    OperationStatus,
    Schema,
)
from operations.models.contents import delete_counts, delete_some, is_small
from operations.models.operation_queryset import expectation
from operations.models.pace import usual_seconds
from operations.models.races import once_more
from operations.models.steps import (
    lock,
)
from operations.preconditions import ALWAYS, Precondition
from operations.schema_rules import read_schema

log = logging.getLogger(__name__)

#: States in which a schema may be registered or updated (graph-contract 2.3).
REGISTRABLE = (ConnectionState.DRAFT, ConnectionState.READY)


# Asking for work ---------------------------------------------------------------------------------


def request_registration(
    connection: ExternalConnection,
    document: object,
    actor: Actor,
    *,
    beta: bool = False,
    only_if: Precondition = ALWAYS,
) -> ConnectionOperation:
    """Check a schema against every rule and queue its registration.

    Raises InvalidRequest with all faults, InvalidStateTransition when the connection's state
    forbids it, OperationInProgress naming the registration that is unfinished, PreconditionFailed
    when the readable schema is not what ``only_if`` names.
    """
    return _enqueue(
        connection, document, actor, Action.OPERATION_REQUESTED, beta=beta, only_if=only_if
    )


def retry(operation: ConnectionOperation, actor: Actor, note: str = "") -> ConnectionOperation:
    """Ask again for what a failed registration asked for: a new operation, linked to the old one.

    Raises InvalidStateTransition for an operation that is not a failed registration, and what
    ``request_registration`` raises.
    """
    if not operation.can_be_retried:
        raise InvalidStateTransition(
            f"Operation '{operation.graph_id}' cannot be retried: only a failed registration can."
        )
    return _enqueue(
        operation.connection,
        operation.payload,
        actor,
        Action.OPERATION_RETRIED,
        beta=True,  # the payload is the canonical form, which has all attributes
        retry_of=operation,
        note=note,
    )


@dataclass(frozen=True)
class ReadableSchema:
    """What GET schema answers: the version in force, or what the running first one asks for."""

    document: dict[str, Any]
    etag: str
    in_force: Schema | None
    running: ConnectionOperation | None


def readable_schema(connection: ExternalConnection) -> ReadableSchema | None:
    """The schema in force, or the one whose first registration is running, or None."""
    return readable_schemas([connection]).get(connection.pk)


def readable_schemas(connections: Sequence[ExternalConnection]) -> dict[int, ReadableSchema]:
    """The readable schema of each connection that has one, by its surrogate key."""
    in_force = Schema.all_in_force().filter(connection__in=connections)
    in_force = in_force.select_related("operation")
    readable = {
        row.connection_id: ReadableSchema(
            row.document, f'W/"{row.connection_id:x}-s{row.version}"', row, None
        )
        for row in in_force
    }
    without = [connection for connection in connections if connection.pk not in readable]
    if without:
        running = ConnectionOperation.objects.worker_unfinished().filter(connection__in=without)
        readable |= {
            row.connection_id: ReadableSchema(
                row.payload, f'W/"{row.connection_id:x}-r{row.pk:x}"', None, row
            )
            for row in running
            if row.payload
        }
    return readable


@once_more
def _enqueue(
    connection: ExternalConnection,
    document: object,
    actor: Actor,
    action: Action,
    *,
    beta: bool,
    retry_of: ConnectionOperation | None = None,
    note: str = "",
    only_if: Precondition = ALWAYS,
) -> ConnectionOperation:
    try:
        with transaction.atomic():
            # The lock keeps a deletion, and another registration's completion, from slipping in
            # between what is looked at here and the insert.
            alive = ExternalConnection.objects.alive().select_for_update(no_key=True)
            current = alive.filter(pk=connection.pk).first()
            if current is None:
                raise ItemNotFound("Connection")
            if only_if is not ALWAYS:
                readable = readable_schema(current)
                only_if.check(readable.etag if readable else "")
            if current.state not in REGISTRABLE:
                state = ConnectionState(current.state).word
                raise InvalidStateTransition(
                    f"Connection '{current.graph_id}' is in state '{state}'. A schema can be "
                    "registered in state 'draft' and updated in state 'ready'.",
                    target="state",
                    state=state,
                )
            if retry_of and not ConnectionOperation.objects.filter(pk=retry_of.pk).exists():
                raise ItemNotFound("ConnectionOperation")
            in_force = current.schema_in_force
            schema, faults = read_schema(
                document, in_force.document if in_force else None, beta=beta
            )
            if faults:
                raise InvalidRequest(faults)
            operation = ConnectionOperation.objects.create(
                connection=current,
                kind=Kind.SCHEMA_REGISTRATION,
                status=OperationStatus.INPROGRESS,
                payload=schema,
                requested_by=actor.name[:200],
                requested_app_id=actor.app_id,
                request_id=actor.request_id[:64],
                retry_of=retry_of,
                run_after=Now(),
                **expectation(
                    usual_seconds(current, Kind.SCHEMA_REGISTRATION),
                    OperationStatus.INPROGRESS,
                    timezone.now(),
                ),
            )
            Change.record(
                actor,
                action,
                operation=operation,
                after={**operation.snapshot(), "retryOf": retry_of.graph_id if retry_of else None},
                note=note,
            )
    except IntegrityError:
        running = connection.operations.worker_unfinished().first()
        if running is None:
            raise
        raise OperationInProgress(
            f"A schema registration of connection '{connection.graph_id}' is unfinished: "
            f"operation '{running.graph_id}'. Wait for it to complete or fail.",
            operationId=running.graph_id,
        ) from None
    operation.refresh_from_db()
    return operation


# Deleting a connection ---------------------------------------------------------------------------


def request_deletion(
    connection: ExternalConnection, actor: Actor, *, only_if: Precondition = ALWAYS
) -> None:
    """Mark a connection as being deleted; purge it at once when it is small.

    From then on the API answers 404 for it. A running registration is fenced off: its worker finds
    the connection gone. Raises ItemNotFound when it is being deleted already, PreconditionFailed
    when it is not what ``only_if`` names.
    """
    marks_at_once = not transaction.get_connection().in_atomic_block
    with transaction.atomic():
        alive = ExternalConnection.objects.alive().filter(pk=connection.pk)
        current = alive.select_for_update(no_key=True).first()
        if current is None:
            raise ItemNotFound("Connection")
        only_if.check(current.etag)
        items = ItemTally.objects.items(connection.pk)
        alive.update(deleting_since=Now(), deleting_items=items)
        Change.record(
            actor,
            Action.CONNECTION_DELETION_REQUESTED,
            connection=connection,
            before={**connection.snapshot(), "items": items},
        )
    try:
        _purge_what_is_small(connection, actor, wait=marks_at_once)
    except OperationalError:
        if not marks_at_once:
            raise
        log.exception("Connection '%s' is left for a worker to delete.", connection.graph_id)


def _purge_what_is_small(connection: ExternalConnection, actor: Actor, *, wait: bool) -> None:
    """In a transaction of its own, for the whole row is locked, and with it what is below.

    That waits for those who have begun to write below it. Once the mark is committed nobody begins
    any more; before, as within a request of the admin, it would never end, so it does not ``wait``,
    and leaves the purge to a worker if it would have to.
    """
    with transaction.atomic():
        deleting = ExternalConnection.objects.deleting().filter(pk=connection.pk)
        locked = deleting.select_for_update() if wait else lock(deleting)
        if locked.first() is None:  # or a worker has purged it already
            return
        if is_small(connection, settings.PURGE_IN_REQUEST):
            delete_some(connection.pk, until=math.inf)
            _purge(connection, actor)


def purge_step(worker: str, key: int) -> bool:
    """Delete some of a connection that is being deleted. False when it is another worker's.

    The row lock is the lease: it ends with the worker, and the next one goes on where it stopped.
    """
    with transaction.atomic():
        connection = lock(ExternalConnection.objects.deleting().filter(pk=key)).first()
        if connection is None:
            return False
        if not delete_some(key):
            _purge(connection, Actor.worker(worker))
        return True


def _purge(connection: ExternalConnection, actor: Actor) -> None:
    """What is left when nothing large is below it any more."""
    Change.record(actor, Action.CONNECTION_PURGED, connection=connection)
    delete_counts(connection.pk)
    ExternalConnection.objects.filter(pk=connection.pk).delete()
