"""Actions on many operations: retry, acknowledge, mark as failed, mark as completed.

``start`` records what was asked for; ``step`` handles the next rows of it, in ascending order of
their keys. Each row is one transaction that holds the action, the run's position and its tallies:
a run that breaks off goes on behind the last row, in whichever process takes it up, and no row is
handled twice. Whoever comes second, on a run or on a row, finds that out under the lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, OuterRef, When
from django.utils import timezone

from operations import provisioning
from operations.errors import GraphError, InvalidRequest
from operations.masking import mask, mask_json
from operations.models import (
    Action,
    Actor,
    BulkAction,
    BulkRun,
    Change,
    ConnectionOperation,
    ExternalConnection,
    Kind,
    OperationStatus,
    Triage,
)
from operations.models.bulk_run import Outcome, Skip
from operations.models.operation_queryset import ConnectionOperationQuerySet
from operations.outage import is_outage
from operations.selection import OperationSelection

log = logging.getLogger(__name__)

#: Rows that one step handles.
CHUNK = 50
#: Rows that a request may handle; what is larger is for the worker.
IN_REQUEST = 200


def start(
    action: BulkAction,
    selection: OperationSelection,
    actor: Actor,
    *,
    reason: str = "",
    error: dict[str, Any] | None = None,
    run_id: UUID | None = None,
    last_key: int | None = None,
) -> BulkRun:
    """Record that this action is wanted on all that the selection means now.

    Later operations are left out, those behind ``last_key`` too. The same ``run_id`` again (a
    form that was sent twice) gives the run that there is. Raises InvalidRequest when a reason is
    missing: for an outcome by hand, and for an action on all that matches.
    """
    if not reason and needs_reason(action, selection):
        raise InvalidRequest.of("RequiredPropertyMissing", "Give a reason.", "reason")
    newest = ConnectionOperation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    last_key = newest if last_key is None else min(last_key, newest)
    meant = selection.rows(timezone.now()).filter(pk__lte=last_key)
    run = BulkRun(
        action=action,
        selection=selection.to_json(),
        reason=mask(reason),
        error=mask_json(error),
        actor_name=actor.name[:200],
        request_id=actor.request_id[:64],
        last_key=last_key,
        expected=meant.count(),
    )
    if run_id:
        run.run_id = run_id
    try:
        with transaction.atomic():
            run.save()
            Change.record(
                actor,
                Action.RUN_STARTED,
                subject=str(run),
                after={
                    "run": str(run.run_id),
                    "action": run.action,
                    "filter": run.selection,
                    "expected": run.expected,
                },
                note=reason,
            )
    except IntegrityError:
        present = BulkRun.objects.filter(run_id=run.run_id).first()
        if present is None:
            raise
        return present
    return run


def needs_reason(action: BulkAction, selection: OperationSelection) -> bool:
    """An outcome that a person sets is explained, and so is an action on all that matches."""
    return action in (BulkAction.FAIL, BulkAction.COMPLETE) or selection.keys is None


def touched(action: BulkAction, rows: ConnectionOperationQuerySet) -> ConnectionOperationQuerySet:
    """Those of the rows on which the action has something to do; the others would be skipped."""
    if action == BulkAction.ACKNOWLEDGE:
        return rows.open_failures()
    if action == BulkAction.RETRY:
        later = ConnectionOperation.objects.filter(
            connection=OuterRef("connection"), kind=OuterRef("kind"), pk__gt=OuterRef("pk")
        )
        failed = rows.in_status(OperationStatus.FAILED).filter(kind=Kind.SCHEMA_REGISTRATION)
        return failed.filter(~Exists(later))
    unfinished = rows.in_status(OperationStatus.UNSPECIFIED, OperationStatus.INPROGRESS)
    return unfinished.filter(kind=Kind.REPORTED) if action == BulkAction.COMPLETE else unfinished


def step(run: BulkRun, is_stopping: Callable[[], bool] = lambda: False) -> bool:
    """Handle the next rows of a run, fewer if asked to stop. False when it has ended."""
    run.refresh_from_db()
    if run.finished_at:
        return False
    try:
        selection = OperationSelection.from_json(run.selection)
    except ValueError:
        log.exception("Run %s is stopped: its selection cannot be read.", run.run_id)
        _finish(run, Actor.worker("worker"), "Stopped: what it selects cannot be read.")
        run.refresh_from_db()
        return False
    waiting = selection.rows(timezone.now()).filter(pk__gt=run.position, pk__lte=run.last_key)
    keys = list(waiting.order_by("pk").values_list("pk", flat=True)[:CHUNK])
    for key in keys:
        if is_stopping():
            return True
        _handle(run, key, selection)
    if len(keys) == CHUNK:
        return True
    _finish(run)
    run.refresh_from_db()
    return False


def stop(run: BulkRun, actor: Actor) -> bool:
    """End a run behind the row that it is at. False when it has ended already."""
    return _finish(run, actor, "Stopped before its end.")


def give_up(run: BulkRun, why: Exception) -> bool:
    """End a run that breaks again and again: nobody would hear of it otherwise."""
    return _finish(run, Actor.worker("worker"), f"Stopped: it broke again and again. {why}"[:500])


def run_some(run: BulkRun) -> None:
    """Do as much of a run as a request may: a small one is ended by it."""
    for _ in range(IN_REQUEST // CHUNK + 1):
        if not step(run):
            return


def next_run(after: int = 0, but_not: Collection[int] = ()) -> BulkRun | None:
    """The unfinished run whose turn it is after that one; those with these keys are left out."""
    unfinished = BulkRun.objects.filter(finished_at=None).exclude(pk__in=but_not)
    return unfinished.order_by(Case(When(pk__gt=after, then=0), default=1), "pk").first()


def _handle(run: BulkRun, key: int, selection: OperationSelection) -> None:
    """Act on one row, unless somebody has, or it is gone, or it is no longer meant."""
    with transaction.atomic():
        current = BulkRun.objects.select_for_update().get(pk=run.pk)
        if current.finished_at or current.position >= key:
            return
        meant = selection.rows(timezone.now()).select_related("connection")
        operation = meant.filter(pk=key).first()
        if operation:
            outcome, why = _act(current, operation)
            current.count(outcome, why, operation)
        current.position = key
        current.save()


def _finish(run: BulkRun, stopped_by: Actor | None = None, note: str = "") -> bool:
    with transaction.atomic():
        current = BulkRun.objects.select_for_update().get(pk=run.pk)
        if current.finished_at:
            return False
        current.finished_at = timezone.now()
        current.stopped_by = stopped_by.name[:200] if stopped_by else ""
        current.save()
        Change.record(
            stopped_by or current.actor,
            Action.RUN_FINISHED,
            subject=str(current),
            after={
                "run": str(current.run_id),
                "done": current.done,
                "skipped": current.skipped,
                "refused": current.refused,
            },
            note=note,
        )
    return True


# On one row ---------------------------------------------------------------------------------------


def _act(run: BulkRun, operation: ConnectionOperation) -> tuple[Outcome, str]:
    """What became of a row, and why if nothing was done: a Skip, or the sentence of the refusal."""
    try:
        with transaction.atomic():
            why = _ACTIONS[BulkAction(run.action)](run, operation)
    except GraphError as refusal:
        return Outcome.REFUSED, str(refusal)
    except Exception as error:
        if is_outage(error):
            raise  # the row is for later
        # one row that breaks must not keep the rest waiting for ever
        log.exception("Run %s broke on operation %s.", run.run_id, operation.pk)
        return Outcome.REFUSED, f"It broke: {type(error).__name__}. The server's log has more."
    return (Outcome.SKIPPED, why) if why else (Outcome.DONE, "")


def _retry(run: BulkRun, operation: ConnectionOperation) -> Skip | None:
    if not operation.is_workers:
        return Skip.REPORTED
    if operation.status != OperationStatus.FAILED:
        return Skip.NOT_FAILED
    # Many at once: an older payload must not be put back over what was asked for since. Under the
    # connection's lock nothing is asked for between this look and the retry.
    ExternalConnection.objects.hold(operation.connection_id)
    later = operation.connection.operations.filter(kind=operation.kind, pk__gt=operation.pk)
    if later.exists():
        return Skip.FOLLOWED
    provisioning.retry(operation, run.actor, run.reason)
    return None


def _acknowledge(run: BulkRun, operation: ConnectionOperation) -> Skip | None:
    if operation.acknowledge(run.actor, run.reason):
        return None
    settled = {Triage.ACKNOWLEDGED: Skip.ACKNOWLEDGED, Triage.SUPERSEDED: Skip.SUPERSEDED}
    return settled.get(Triage(operation.triage), Skip.NOT_FAILED)


def _move(run: BulkRun, operation: ConnectionOperation) -> Skip | None:
    if operation.is_terminal:
        completed = operation.status == OperationStatus.COMPLETED
        return Skip.COMPLETED if completed else Skip.FAILED
    if run.action == BulkAction.FAIL:
        operation.move(run.actor, status=OperationStatus.FAILED, error=run.error, note=run.reason)
    else:
        operation.move(run.actor, status=OperationStatus.COMPLETED, note=run.reason)
    return None


_ACTIONS: dict[BulkAction, Callable[[BulkRun, ConnectionOperation], Skip | None]] = {
    BulkAction.RETRY: _retry,
    BulkAction.ACKNOWLEDGE: _acknowledge,
    BulkAction.FAIL: _move,
    BulkAction.COMPLETE: _move,
}
