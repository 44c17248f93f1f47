"""Asynchronous work: both ends of the 202.

``request_registration`` and ``retry`` put a row in; that row is the job. A worker ``claim``s it,
holds a lease that it ``renew``s while the registration takes its time, and ``finish``es it: the
schema in force and the operation completed are one transaction. Deleting a connection is
``request_deletion`` here and ``purge_step`` in the worker.

Every write after the claim is fenced by worker and attempt number, so a worker that slept past its
lease changes nothing. Times are the database's, so the clocks of several machines do not matter.
No transaction waits or works inside.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import F, Value
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
    Kind,
    OperationStatus,
    OutcomeRule,
    Schema,
)
from operations.models.claim import Claim
from operations.models.inserting import insert
from operations.models.moves import outcome_columns
from operations.models.operation_queryset import delay_after, expectation, longest_delay
from operations.models.outcome_count import count_outcome
from operations.models.pace import usual_seconds
from operations.models.races import once_more
from operations.models.steps import (
    ALIVE_ABOVE,
    BECAME_READY,
    ENDED,
    LATEST_VERSION,
    MINE,
    TAKEN,
    lock,
    next_claimable,
)
from operations.preconditions import ALWAYS, Precondition
from operations.schema_rules import read_schema

log = logging.getLogger(__name__)

#: States in which a schema may be registered or updated (graph-contract 2.3).
REGISTRABLE = (ConnectionState.DRAFT, ConnectionState.READY)
#: Rows that one statement or one short transaction handles at the most.
BATCH = 500


def _in(seconds: float) -> models.expressions.Combinable:
    """The database's time, so many seconds from now."""
    return models.ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds)), output_field=models.DateTimeField()
    )


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


# Doing the work ----------------------------------------------------------------------------------


def claim(worker: str) -> Claim | None:
    """Take the operation that has waited longest: a queued one, or one whose worker fell silent.

    One whose attempts are used up is failed with an error that says so, and the next is taken.
    Returns None when nothing is to be done.
    """
    while True:
        with transaction.atomic():
            operation = next_claimable(longest_delay(), settings.OPERATION_LEASE).first()
            if operation is None:
                return None
            used_up = operation.attempt >= settings.OPERATION_ATTEMPTS
            if not used_up and (claimed := _take(operation, worker)):
                return claimed
        if used_up:
            # in a transaction of its own: the end of an operation locks the connection first
            by = Actor.worker(worker, operation.request_id)
            _give_up(Claim.of(operation), by, lease_until=operation.lease_until)


def renew(worker: str, held: Iterable[Claim]) -> int:
    """Extend the leases of what this worker has in hand. Returns how many are still its own."""
    batches = _batches_of(worker, held)
    return sum(mine.update(lease_until=_in(settings.OPERATION_LEASE)) for mine in batches)


def finish(held: Claim) -> bool:
    """Bring the schema into force and complete the operation, or fail it if a rule says so.

    Both in one transaction. Returns False when the operation is no longer ours: another worker
    took it over, an administrator failed it, or the connection is being deleted.
    """
    actor = held.actor
    with transaction.atomic():
        # First the connection, then the operation: a deletion locks in this order too, and the
        # schema that is inserted below must find its connection alive.
        connection = ALIVE_ABOVE.first(operation=held.operation_key)
        operation = MINE.first(**held.fenced) if connection else None
        if connection is None or operation is None:
            return False
        operation.connection = connection
        rehearsed = OutcomeRule.consume(operation.connection)
        if rehearsed is not None:
            return _end(operation, held, OperationStatus.FAILED, rehearsed, actor)
        if not _end(operation, held, OperationStatus.COMPLETED, None, actor):
            return False
        _bring_into_force(operation, actor)
        operation.supersede_failures(actor)
        return True


def fail_attempt(held: Claim, reason: str) -> None:
    """An attempt broke: back into the queue with a delay, or failed when it was the last one."""
    if held.attempt >= settings.OPERATION_ATTEMPTS:
        _give_up(held, held.actor)
        return
    with transaction.atomic():
        operation = ConnectionOperation.objects.filter(held.fence()).first()
        if operation is None:
            return
        ConnectionOperation.objects.filter(held.fence()).update(
            worker="", lease_until=None, run_after=_in(delay_after(held.attempt)), changed_at=Now()
        )
        Change.record(held.actor, Action.OPERATION_HANDED_BACK, operation=operation, note=reason)


def hand_back(worker: str, held: Collection[Claim]) -> None:
    """A worker that stops gives back what it has not finished; the attempts do not count."""
    actors = {claim.operation_key: claim.actor for claim in held}
    for mine in _batches_of(worker, held):
        with transaction.atomic():
            returned = list(mine.select_for_update(of=("self",)).select_related("connection"))
            ConnectionOperation.objects.filter(pk__in=[each.pk for each in returned]).update(
                worker="", lease_until=None, attempt=F("attempt") - 1, changed_at=Now()
            )
            Change.record_many(
                Action.OPERATION_HANDED_BACK, [(actors[each.pk], each) for each in returned]
            )


def _batches_of(
    worker: str, held: Iterable[Claim]
) -> Iterator[models.QuerySet[ConnectionOperation]]:
    """What of this is still the worker's own, in sets that one statement can name."""
    keys = [claim.operation_key for claim in held]
    mine = ConnectionOperation.objects.worker_unfinished().filter(worker=worker)
    for start in range(0, len(keys), BATCH):
        yield mine.filter(pk__in=keys[start : start + BATCH])


def _take(operation: ConnectionOperation, worker: str) -> Claim | None:
    attempt = operation.attempt + 1
    taken_over = bool(operation.worker)
    now: datetime = operation.database_now  # type: ignore[attr-defined]
    if not TAKEN.update(
        key=operation.pk,
        before=operation.attempt,
        worker=worker,
        attempt=attempt,
        lease_until=now + timedelta(seconds=settings.OPERATION_LEASE),
        started_at=operation.started_at or now,
        changed_at=now,
    ):
        return None
    Change.record(
        Actor.worker(worker, operation.request_id),
        Action.OPERATION_TAKEN_OVER if taken_over else Action.OPERATION_STARTED,
        operation=operation,
        before={"worker": operation.worker} if taken_over else None,
        after={"worker": worker, "attempt": attempt},
    )
    taken = (now - (operation.started_at or now)).total_seconds()
    # less than nothing if the clock has been set back since it started
    wait = max(0.0, settings.OPERATION_DURATION - max(0.0, taken))
    held = Claim.of(operation)
    return replace(held, attempt=attempt, worker=worker, wait=wait, taken_over=taken_over)


def _give_up(held: Claim, actor: Actor, **unless_changed: Any) -> None:
    """Fail an operation whose attempts are used up, unless it has moved on meanwhile."""
    error = {
        "code": "AttemptsExhausted",
        "message": (
            f"The registration was started {held.attempt} times and never ended: each time "
            "the worker stopped or broke before it could finish. Nothing was changed. Check the "
            "worker's log, then retry."
        ),
    }
    with transaction.atomic():
        found = ConnectionOperation.objects.filter(held.fence(), **unless_changed)
        found = found.annotate(database_now=Now())
        operation = found.select_related("connection").first()
        if operation is None:
            return
        ExternalConnection.objects.hold(operation.connection_id)
        if found.select_for_update(of=("self",)).exists():
            _end(operation, held, OperationStatus.FAILED, error, actor)


def _end(
    operation: ConnectionOperation,
    held: Claim,
    status: OperationStatus,
    error: dict | None,
    actor: Actor,
) -> bool:
    before = operation.snapshot()
    now: datetime = operation.database_now  # type: ignore[attr-defined]
    columns = outcome_columns(status, error, now) | {"changed_at": now}
    if not ENDED.update(**held.fenced, **columns):
        return False
    for column, value in columns.items():
        setattr(operation, column, value)
    count_outcome(operation)
    failed = status == OperationStatus.FAILED
    Change.record(
        actor,
        Action.OPERATION_FAILED if failed else Action.OPERATION_COMPLETED,
        operation=operation,
        before=before,
        after=operation.snapshot(),
    )
    return True


def _bring_into_force(operation: ConnectionOperation, actor: Actor) -> None:
    connection = operation.connection
    latest = LATEST_VERSION.tuples(connection=connection.pk)
    payload: dict[str, Any] = operation.payload or {}
    schema = Schema(
        connection=connection,
        version=latest[0][0] + 1 if latest else 1,
        base_type=payload["baseType"],
        properties=payload["properties"],
        operation=operation,
    )
    insert(schema)
    became_ready = BECAME_READY.update(key=connection.pk)
    Change.record(
        actor,
        Action.SCHEMA_IN_FORCE,
        operation=operation,
        before={"state": "draft"} if became_ready else None,
        after={"version": schema.version, **({"state": "ready"} if became_ready else {})},
    )


# Deleting a connection ---------------------------------------------------------------------------


def request_deletion(
    connection: ExternalConnection, actor: Actor, *, only_if: Precondition = ALWAYS
) -> None:
    """Mark a connection as being deleted; purge it at once when it is small.

    From then on the API answers 404 for it. A running registration is fenced off: its worker finds
    the connection gone. Raises ItemNotFound when it is being deleted already, PreconditionFailed
    when it is not what ``only_if`` names.
    """
    with transaction.atomic():
        alive = ExternalConnection.objects.alive().filter(pk=connection.pk)
        current = alive.select_for_update(no_key=True).first()
        if current is None:
            raise ItemNotFound("Connection")
        only_if.check(current.etag)
        alive.update(deleting_since=Now())
        Change.record(
            actor,
            Action.CONNECTION_DELETION_REQUESTED,
            connection=connection,
            before=connection.snapshot(),
        )
    # From here on nobody begins to write below it. The whole row is locked only now: that waits
    # for those who have begun, and would never end if others began meanwhile.
    with transaction.atomic():
        deleting = ExternalConnection.objects.deleting().filter(pk=connection.pk)
        if deleting.select_for_update().first() is None:  # a worker has purged it already
            return
        rows = connection.operations.all()[: settings.PURGE_IN_REQUEST + 1].count()
        if rows <= settings.PURGE_IN_REQUEST:
            _purge(connection, actor)


def purge_step(worker: str, key: int) -> bool:
    """Delete one batch of a connection that is being deleted. False when it is another worker's.

    The row lock is the lease: it ends with the worker, and the next one goes on where it stopped.
    """
    with transaction.atomic():
        connection = lock(ExternalConnection.objects.deleting().filter(pk=key)).first()
        if connection is None:
            return False
        batch = list(connection.operations.values_list("pk", flat=True)[:BATCH])
        if batch:
            ConnectionOperation.objects.filter(pk__in=batch).delete()
        else:
            _purge(connection, Actor.worker(worker))
        return True


def _purge(connection: ExternalConnection, actor: Actor) -> None:
    Change.record(actor, Action.CONNECTION_PURGED, connection=connection)
    ExternalConnection.objects.filter(pk=connection.pk).delete()
