"""Writes the demo straight into the tables, because history has times of its own; what is in a
connection has none (``filling``).

What looks unfinished is out of the worker's reach for good (``LATER``), so that a demo beside real
work stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from operations.demo.company import COMPLETED, DEMOS, FAILED, RUNNING, UNSPECIFIED, Demo, Op
from operations.demo.decisions import make_decisions
from operations.demo.filling import fill
from operations.models import (
    Action,
    Actor,
    ActorKind,
    Change,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    Kind,
    OutcomeRule,
    Schema,
    Triage,
)
from operations.models.moves import NO_ERROR, TERMINAL, error_columns
from operations.models.operation_id import new_operation_id
from operations.models.operation_queryset import expectation
from operations.models.outcome_count import count_outcome
from operations.models.pace import usual_seconds

MAKER = "seed_demo"
COMMAND = Actor.command(MAKER)
WORKER = Actor.worker("demo-worker")
LATER = timedelta(days=36_500)


@dataclass
class Made:
    """What a run did."""

    connections: int = 0
    operations: int = 0
    items: int = 0
    groups: int = 0
    present: int = 0
    adopted: int = 0
    taken: list[str] = field(default_factory=list)


def make_demo(owner: UUID | None) -> Made:
    """Make the demo connections that are missing, owned by this application.

    One that is there stays as it is, but for one thing: if nobody owns it, the owner takes it. An
    id that belongs to a connection of somebody else's is left alone.
    """
    made = Made()
    now = timezone.now()
    with transaction.atomic():
        missing = []
        for demo in DEMOS:
            existing = ExternalConnection.objects.filter(lookup_id=demo.graph_id).first()
            if existing is None:
                missing.append(demo)
            elif not _is_ours(existing):
                made.taken.append(demo.graph_id)
            else:
                made.present += 1
                made.adopted += _adopt(existing, owner)
        made.connections = len(missing)
        changes = [change for demo in missing for change in _make_connection(demo, owner, now)]
        made.operations, of_operations = _make_operations(missing, owner, now)
        decided = make_decisions(now) if made.connections == len(DEMOS) else ()
        # a history is read by key: what happened first is written first
        everything = [*changes, *of_operations, *decided]
        Change.objects.bulk_create(sorted(everything, key=lambda row: row.at))
        # last: what it holds has come just now, and its records are the newest
        for connection in _rows(missing).values():
            items, groups = fill(connection, owner, now)
            made.items += items
            made.groups += groups
    return made


def _is_ours(connection: ExternalConnection) -> bool:
    return Change.objects.filter(
        connection_key=connection.pk, action=Action.CONNECTION_CREATED, actor_name=MAKER
    ).exists()


def _adopt(connection: ExternalConnection, owner: UUID | None) -> bool:
    unowned = ExternalConnection.objects.filter(pk=connection.pk, owner_app_id=None)
    if owner is None or not unowned.update(owner_app_id=owner):
        return False
    Change.record(
        COMMAND,
        Action.CONNECTION_UPDATED,
        connection=connection,
        before={"ownerAppId": None},
        after={"ownerAppId": str(owner)},
    )
    return True


def _make_connection(demo: Demo, owner: UUID | None, now: datetime) -> Iterator[Change]:
    at = now - timedelta(minutes=demo.ago)
    connection = ExternalConnection.objects.create(
        graph_id=demo.graph_id,
        name=demo.name,
        description=demo.description,
        state=demo.state,
        owner_app_id=owner,
        content_category=demo.category,
        created_at=at,
        **demo.settings,
    )
    ExternalConnection.objects.filter(pk=connection.pk).update(changed_at=at)
    if demo.rule:
        remaining, error = demo.rule
        OutcomeRule.objects.create(connection=connection, remaining=remaining, error=error)
    born = {**connection.snapshot(), "state": "draft"}
    yield _change(at, COMMAND, Action.CONNECTION_CREATED, connection, after=born)


def _rows(demos: list[Demo]) -> dict[str, ExternalConnection]:
    """Their connections, by id."""
    found = ExternalConnection.objects.filter(lookup_id__in=[demo.graph_id for demo in demos])
    return {connection.graph_id: connection for connection in found}


def _make_operations(
    demos: list[Demo], owner: UUID | None, now: datetime
) -> tuple[int, list[Change]]:
    """Oldest first over all connections, as their keys tell what is newest."""
    connections = _rows(demos)
    planned = [(op, connections[demo.graph_id]) for demo in demos for op in demo.operations]
    planned.sort(key=lambda pair: -pair[0].ago)
    by_id: dict[str, ConnectionOperation] = {}
    changes: list[Change] = []
    for op, connection in planned:
        operation = _make_operation(op, connection, by_id.get(op.retry_of), owner, now)
        by_id[operation.graph_id] = operation
        changes += _history(op, operation)
        if op.schema and op.status == COMPLETED:
            changes.append(_bring_into_force(op.schema, operation))
    ConnectionOperation.objects.filter(pk__in=[row.pk for row in by_id.values()]).update(
        changed_at=Coalesce("finished_at", "started_at", "created_at")
    )
    return len(planned), changes


def _make_operation(
    op: Op,
    connection: ExternalConnection,
    retry_of: ConnectionOperation | None,
    owner: UUID | None,
    now: datetime,
) -> ConnectionOperation:
    asked = now - timedelta(minutes=op.ago)
    started = None if op.queued or op.status == UNSPECIFIED else asked + timedelta(seconds=20)
    ended = op.status in TERMINAL
    unfinished = op.is_workers and op.status == RUNNING
    held = unfinished and not op.queued
    kind = Kind.SCHEMA_REGISTRATION if op.is_workers else Kind.REPORTED
    operation = ConnectionOperation.objects.create(
        connection=connection,
        graph_id=op.graph_id or new_operation_id(),
        kind=kind,
        status=op.status,
        payload=op.schema,
        requested_by=op.by,
        requested_app_id=owner,
        retry_of=retry_of,
        triage=op.triage or (Triage.OPEN if op.status == FAILED else Triage.NONE),
        triage_note=op.note,
        created_at=asked,
        started_at=started,
        finished_at=started + timedelta(minutes=op.took) if started and ended else None,
        # never due, and if it were, a worker seems to hold it
        run_after=now + LATER if unfinished else asked,
        worker=WORKER.name if held else "",
        lease_until=now + LATER if held else None,
        attempt=int(op.is_workers and not op.queued),
        **(error_columns(op.error) if op.status == FAILED else NO_ERROR),
        # as if it had been reported when it began
        **expectation(usual_seconds(connection, kind), RUNNING, asked)
        | ({} if op.status == RUNNING else {"overdue_at": None}),
    )
    if ended:
        count_outcome(operation)
    return operation


def _history(op: Op, operation: ConnectionOperation) -> Iterator[Change]:
    """What a timeline shows of an operation, told backwards from what became of it."""
    service = Actor(ActorKind.APPLICATION, op.by, Channel.API, operation.requested_app_id)
    person = Actor(ActorKind.OPERATOR, "demo-operator", Channel.DASHBOARD)
    connection = operation.connection
    begun = {"status": "inprogress", "error": None}
    ended = operation.snapshot()

    def change(at: datetime | None, actor: Actor, action: Action, **values: Any) -> Change:
        return _change(at or operation.created_at, actor, action, connection, operation, **values)

    if not op.is_workers:
        first = begun if operation.is_terminal else ended
        yield change(operation.created_at, service, Action.OPERATION_REPORTED, after=first)
    else:
        retried = bool(op.retry_of)
        yield change(
            operation.created_at,
            person if retried else service,
            Action.OPERATION_RETRIED if retried else Action.OPERATION_REQUESTED,
            after={**begun, "retryOf": op.retry_of or None},
        )
        if operation.started_at:
            yield change(
                operation.started_at,
                WORKER,
                Action.OPERATION_STARTED,
                after={"worker": WORKER.name, "attempt": 1},
            )
    if operation.is_terminal:
        yield change(
            operation.finished_at,
            WORKER if op.is_workers else service,
            Action.OPERATION_COMPLETED if op.status == COMPLETED else Action.OPERATION_FAILED,
            before=begun,
            after=ended,
        )
    if op.triage in (Triage.ACKNOWLEDGED, Triage.SUPERSEDED) and operation.finished_at:
        acknowledged = op.triage == Triage.ACKNOWLEDGED
        yield change(
            operation.finished_at + timedelta(minutes=50),
            person if acknowledged else WORKER,
            Action.OPERATION_ACKNOWLEDGED if acknowledged else Action.OPERATION_SUPERSEDED,
            before={"triage": Triage.OPEN},
            after={"triage": op.triage},
            note=op.note,
        )


def _bring_into_force(document: dict[str, Any], operation: ConnectionOperation) -> Change:
    connection = operation.connection
    latest = connection.schema_in_force
    at = operation.finished_at or operation.created_at
    version = latest.version + 1 if latest else 1
    Schema.objects.create(
        connection=connection,
        version=version,
        base_type=document["baseType"],
        properties=document["properties"],
        operation=operation,
        in_force_at=at,
    )
    return _change(
        at,
        WORKER,
        Action.SCHEMA_IN_FORCE,
        connection,
        operation,
        before=None if latest else {"state": "draft"},
        after={"version": version, **({} if latest else {"state": "ready"})},
    )


def _change(
    at: datetime,
    actor: Actor,
    action: Action,
    connection: ExternalConnection,
    operation: ConnectionOperation | None = None,
    **values: Any,
) -> Change:
    """A record of something in the past; ``Change.record`` is for what happens now."""
    return Change(
        at=at,
        action=action,
        channel=actor.channel,
        actor_kind=actor.kind,
        actor_name=actor.name,
        actor_app_id=actor.app_id,
        connection_key=connection.pk,
        connection_graph_id=connection.graph_id,
        operation_key=operation.pk if operation else None,
        operation_graph_id=operation.graph_id if operation else "",
        **values,
    )
