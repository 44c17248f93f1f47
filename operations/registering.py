"""Asynchronous work, as a worker does it: the other end of the 202.

A worker ``claim``s what waits, a batch at a time, holds leases that it ``renew``s while the
registrations take their time, and ``finish``es those that are due: the schemas in force and the
operations completed are one transaction. One alone is a batch of one.

Every write after the claim is fenced by worker and attempt number, so a worker that slept past its
lease changes nothing. Times are the database's, so the clocks of several machines do not matter.
No transaction waits or works inside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Value
from django.db.models.functions import Now

from operations.models import (
    Action,
    Actor,
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    OutcomeRule,
    Schema,
)
from operations.models.claim import Claim
from operations.models.moves import outcome_columns
from operations.models.operation_queryset import delay_after, longest_delay
from operations.models.outcome_count import count_outcomes
from operations.models.steps import (
    ALIVE,
    ALIVE_AND_FREE,
    BECAME_READY,
    ENDED,
    FAILED_BEFORE,
    HELD,
    HELD_AND_FREE,
    TAKEN,
    next_claimable,
)

#: Operations that are claimed, and ended, together at the most: so few that several workers share
#: what waits, and that the transaction which ends them is over in some hundredths of a second.
TOGETHER = 25
#: Rows that one statement of a worker names at the most.
BATCH = 500
#: A claim, and the operation that is still held by it.
Ours = Mapping[Claim, ConnectionOperation]


def _in(seconds: float) -> models.expressions.Combinable:
    """The database's time, so many seconds from now."""
    return models.ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds)), output_field=models.DateTimeField()
    )


# Taking in hand ----------------------------------------------------------------------------------


def claim(worker: str, most: int = TOGETHER) -> list[Claim]:
    """Take the operations that have waited longest, ``most`` of them at the most: queued ones, and
    those whose worker fell silent.

    Those whose attempts are used up are failed with an error that says so. Returns none when
    nothing is to be done.
    """
    while True:
        with transaction.atomic():
            lease = settings.OPERATION_LEASE
            found = next_claimable(longest_delay(), lease, most).rows()
            used_up = [each for each in found if each.attempt >= settings.OPERATION_ATTEMPTS]
            if not used_up:
                return _take(found, worker) if found else []
        # Before anything is taken: if this broke, nobody would know that it was. In a transaction
        # of its own: the end of an operation locks the connection first.
        for operation in used_up:
            _give_up(Claim.of(operation), worker, lease_until=operation.lease_until)


def _take(found: Sequence[ConnectionOperation], worker: str) -> list[Claim]:
    """Of operations that this transaction has locked."""
    now: datetime = found[0].database_now  # type: ignore[attr-defined]
    TAKEN.update(
        keys=[each.pk for each in found],
        worker=worker,
        lease_until=now + timedelta(seconds=settings.OPERATION_LEASE),
        changed_at=now,
    )
    Change.record_many(_started(each, worker) for each in found)
    return [_claimed(each, worker, now) for each in found]


def _started(operation: ConnectionOperation, worker: str) -> Change:
    silent = operation.worker
    return Change.of(
        Actor.worker(worker, operation.request_id),
        Action.OPERATION_TAKEN_OVER if silent else Action.OPERATION_STARTED,
        operation=operation,
        before={"worker": silent} if silent else None,
        after={"worker": worker, "attempt": operation.attempt + 1},
    )


def _claimed(operation: ConnectionOperation, worker: str, now: datetime) -> Claim:
    taken = (now - (operation.started_at or now)).total_seconds()
    return replace(
        Claim.of(operation),
        attempt=operation.attempt + 1,
        worker=worker,
        # less than nothing has passed if the clock has been set back since it started
        wait=max(0.0, settings.OPERATION_DURATION - max(0.0, taken)),
        taken_over=bool(operation.worker),
    )


# Holding and letting go --------------------------------------------------------------------------


def renew(worker: str, held: Iterable[Claim]) -> int:
    """Extend the leases of what this worker has in hand. Returns how many are still its own."""
    batches = _batches_of(worker, held)
    return sum(mine.update(lease_until=_in(settings.OPERATION_LEASE)) for mine in batches)


def fail_attempt(held: Claim, reason: str) -> None:
    """An attempt broke: back into the queue with a delay, or failed when it was the last one."""
    if held.attempt >= settings.OPERATION_ATTEMPTS:
        _give_up(held, held.worker)
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
                Change.of(actors[each.pk], Action.OPERATION_HANDED_BACK, operation=each)
                for each in returned
            )


def _batches_of(
    worker: str, held: Iterable[Claim]
) -> Iterator[models.QuerySet[ConnectionOperation]]:
    """What of this is still the worker's own, in sets that one statement can name."""
    keys = [claim.operation_key for claim in held]
    mine = ConnectionOperation.objects.worker_unfinished().filter(worker=worker)
    for start in range(0, len(keys), BATCH):
        yield mine.filter(pk__in=keys[start : start + BATCH])


# Ending ------------------------------------------------------------------------------------------


def finish(held: Sequence[Claim]) -> list[Claim]:
    """Bring the schemas into force and complete the operations, or fail those of which a rule says
    so. All are one worker's.

    Everything is one transaction. Returns those that it ended. The others are no longer ours:
    another worker took them over, an administrator failed them, or the connection is being deleted.
    If there are several, somebody else may also have locked the operation or its connection just
    now: a transaction that has locked many waits for no other, so finish these alone.
    """
    with transaction.atomic():
        ours = _still_ours(held)
        if not ours:
            return []
        rehearsed = OutcomeRule.consume([each.connection_id for each in ours.values()])
        changes: dict[Claim, list[Change]] = {}
        completed = {}
        for claim, operation in ours.items():
            if operation.connection_id in rehearsed:
                error = rehearsed[operation.connection_id]
                changes |= _end({claim: operation}, OperationStatus.FAILED, error, claim.worker)
            else:
                completed[claim] = operation
        if completed:
            changes |= _end(completed, OperationStatus.COMPLETED, None, held[0].worker)
            for claim, change in _bring_into_force(completed).items():
                changes[claim].append(change)
        Change.record_many(change for claim in ours for change in changes[claim])
        if completed:
            _supersede_failures(completed)
        count_outcomes(ours.values())
        return list(ours)


def _still_ours(held: Sequence[Claim]) -> Ours:
    """Those of which the connection is there, and the operation as it was claimed; both locked.

    First the connections, then the operations: a deletion locks in this order too, and a schema
    that is inserted must find its connection alive.
    """
    connections, operations = (ALIVE, HELD) if len(held) == 1 else (ALIVE_AND_FREE, HELD_AND_FREE)
    alive = {each.pk: each for each in connections.rows(keys=[c.connection_key for c in held])}
    keys = [claim.operation_key for claim in held if claim.connection_key in alive]
    rows = operations.rows(keys=keys, held_by=held[0].worker) if keys else []
    found = {(each.pk, each.attempt): each for each in rows}
    ours = {}
    for claim in held:
        if operation := found.get((claim.operation_key, claim.attempt)):
            operation.connection = alive[operation.connection_id]
            ours[claim] = operation
    return ours


def _end(
    ours: Ours, status: OperationStatus, error: dict | None, by: str
) -> dict[Claim, list[Change]]:
    """Give these the same end. Returns what is to be recorded; nothing is counted yet."""
    first, worker = next((operation, claim.worker) for claim, operation in ours.items())
    now: datetime = first.database_now  # type: ignore[attr-defined]
    columns = outcome_columns(status, error, now) | {"changed_at": now}
    ENDED.update(keys=[each.pk for each in ours.values()], held_by=worker, **columns)
    failed = status == OperationStatus.FAILED
    changes = {}
    for claim, operation in ours.items():
        before = operation.snapshot()
        for column, value in columns.items():
            setattr(operation, column, value)
        change = Change.of(
            Actor.worker(by, claim.request_id),
            Action.OPERATION_FAILED if failed else Action.OPERATION_COMPLETED,
            operation=operation,
            before=before,
            after=operation.snapshot(),
        )
        changes[claim] = [change]
    return changes


def _bring_into_force(completed: Ours) -> dict[Claim, Change]:
    """Returns what is to be recorded."""
    operations = list(completed.values())
    at = operations[0].finished_at
    assert at is not None
    versions = Schema.bring_into_force([each.pk for each in operations], at)
    drafts = [each.connection_id for each in operations if _is_draft(each.connection)]
    if drafts:
        BECAME_READY.update(keys=drafts)
    changes = {}
    for claim, operation in completed.items():
        after: dict[str, Any] = {"version": versions[operation.pk]}
        became_ready = _is_draft(operation.connection)
        changes[claim] = Change.of(
            claim.actor,
            Action.SCHEMA_IN_FORCE,
            operation=operation,
            before={"state": "draft"} if became_ready else None,
            after=after | ({"state": "ready"} if became_ready else {}),
        )
    return changes


def _is_draft(connection: ExternalConnection) -> bool:
    return connection.state == ConnectionState.DRAFT


def _supersede_failures(completed: Ours) -> None:
    """Almost never is there one, so all are asked at once."""
    above = {each.connection_id: claim for claim, each in completed.items()}
    for [connection_key] in FAILED_BEFORE.tuples(connections=list(above)):
        claim = above[connection_key]
        completed[claim].supersede_failures(claim.actor)


def _give_up(held: Claim, by: str, **unless_changed: Any) -> None:
    """A worker fails an operation whose attempts are used up, unless it has moved on meanwhile."""
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
        if not found.select_for_update(of=("self",)).exists():
            return
        [changes] = _end({held: operation}, OperationStatus.FAILED, error, by).values()
        Change.record_many(changes)
        count_outcomes([operation])
