"""Times, origin and history as OData instance annotations, only for those who ask for them.

``Prefer: odata.include-annotations="connectorsAdmin.*"`` (OData JSON 4.0, 4.6.5). Graph's entities
have no such members and keep their shape: the annotations are ours (design 8).
"""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from operations.api.preferences import Preferences
from operations.api.representation import Json
from operations.models import Change, ConnectionOperation, ExternalConnection
from operations.provisioning import ReadableSchema

VOCABULARY = "connectorsAdmin"
#: Changes that one answer shows at the most, the newest first.
MAX_HISTORY = 100
OUTCOME = ("state", "status", "error", "version", "retryOf")
Terms = dict[str, Callable[[], Any]]


def is_wanted(term: str, patterns: Set[str]) -> bool:
    """Whether a list of patterns includes a term of ours.

    A pattern is ``*``, ``connectorsAdmin.*`` or a whole name, and with ``-`` before it excludes;
    the most specific one decides (OData 4.0 part 1, 8.2.8.4).
    """
    for pattern in (f"{VOCABULARY}.{term}", f"{VOCABULARY}.*", "*"):
        if f"-{pattern}" in patterns:
            return False
        if pattern in patterns:
            return True
    return False


def operation_annotations(
    operation: ConnectionOperation, prefer: Preferences, *, history: bool
) -> Json:
    """The wanted annotations of an operation; its history only where one operation is read."""
    if not prefer.annotations:
        return {}
    terms: Terms = {
        "kind": lambda: operation.kind,
        "createdDateTime": lambda: date_time(operation.created_at),
        "startedDateTime": lambda: date_time(operation.started_at),
        "finishedDateTime": lambda: date_time(operation.finished_at),
        "lastModifiedDateTime": lambda: date_time(operation.changed_at),
        "requestedBy": lambda: operation.requested_by if operation.requested_app_id else None,
        "requestedByAppId": lambda: _text(operation.requested_app_id),
        "requestId": lambda: operation.request_id,
        "attempt": lambda: operation.attempt,
        "retryOf": lambda: operation.retry_of.graph_id if operation.retry_of else None,
        "triage": lambda: operation.triage or None,
    }
    if history:
        changes = Change.objects.filter(operation_key=operation.pk)
        terms["history"] = lambda: _history(changes)
    return _annotations(terms, prefer)


def connection_annotations(
    connection: ExternalConnection, prefer: Preferences, *, history: bool
) -> Json:
    """The wanted annotations of a connection; its history only where one connection is read."""
    if not prefer.annotations:
        return {}
    terms: Terms = {
        "createdDateTime": lambda: date_time(connection.created_at),
        "lastModifiedDateTime": lambda: date_time(connection.changed_at),
        "ownerAppId": lambda: _text(connection.owner_app_id),
    }
    if history:
        changes = Change.objects.filter(connection_key=connection.pk)
        terms["history"] = lambda: _history(changes)
    return _annotations(terms, prefer)


def schema_annotations(schema: ReadableSchema, prefer: Preferences) -> Json:
    """The wanted annotations of a schema: version and time of the one in force, its operation."""
    if not prefer.annotations:
        return {}
    in_force = schema.in_force

    def operation_id() -> str | None:
        operation = in_force.operation if in_force else schema.running
        return operation.graph_id if operation else None

    terms: Terms = {
        "version": lambda: in_force.version if in_force else None,
        "inForceDateTime": lambda: date_time(in_force.in_force_at) if in_force else None,
        "operationId": operation_id,
    }
    return _annotations(terms, prefer)


def date_time(value: datetime | None) -> str | None:
    """``Edm.DateTimeOffset`` in UTC, to the millisecond."""
    if value is None:
        return None
    return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _annotations(terms: Terms, prefer: Preferences) -> Json:
    found = {
        f"@{VOCABULARY}.{term}": value()
        for term, value in terms.items()
        if is_wanted(term, prefer.annotations)
    }
    if found:
        prefer.apply(f'odata.include-annotations="{VOCABULARY}.*"')
    return found


def _history(changes: QuerySet[Change]) -> list[Json]:
    """What happened, without what is internal: who of the operators, their notes, which worker."""
    return [
        {
            "dateTime": date_time(change.at),
            "action": change.action,
            "channel": change.channel,
            "by": change.actor_name if change.actor_app_id else None,
            "appId": _text(change.actor_app_id),
            "requestId": change.request_id,
            "operationId": change.operation_graph_id or None,
            "before": _outcome(change.before),
            "after": _outcome(change.after),
        }
        for change in changes.order_by("-id")[:MAX_HISTORY]
    ]


def _outcome(snapshot: Json | None) -> Json | None:
    """Of what a Change keeps, how things stood; the other members are not for every reader."""
    shown = {name: snapshot[name] for name in OUTCOME if name in snapshot} if snapshot else {}
    return shown or None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
