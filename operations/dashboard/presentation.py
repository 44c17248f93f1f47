"""How things are shown: marks, sentences, durations. Pure; the templates only print.

A mark's ``value`` is the class of its badge (``badge-failed``), for which the stylesheet has the
tone; its ``word`` is what Graph calls it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from operations.models import (
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    Triage,
)

#: An operation that is not finished after this long is shown as stuck.
STUCK_AFTER = timedelta(minutes=30)
#: Counts stop here, so that no page counts a million rows.
COUNT_LIMIT = 10_000
SENTENCE_LENGTH = 240
#: A message longer than this is folded to three lines.
LONG_MESSAGE = 400


@dataclass(frozen=True)
class Mark:
    """A status or state as a badge: class, label, icon shape, and Graph's word for the tooltip."""

    value: str
    label: str
    icon: str
    word: str = ""


QUEUED = Mark("queued", "Queued", "ring", "inprogress")
OPERATION_MARKS = {
    OperationStatus.UNSPECIFIED: Mark("unspecified", "Not specified", "dash", "unspecified"),
    OperationStatus.INPROGRESS: Mark("inprogress", "In progress", "arc", "inprogress"),
    OperationStatus.COMPLETED: Mark("completed", "Completed", "tick", "completed"),
    OperationStatus.FAILED: Mark("failed", "Failed", "octagon", "failed"),
    OperationStatus.UNKNOWN_FUTURE_VALUE: Mark(
        "unknownFutureValue", "Unknown value", "diamond", "unknownFutureValue"
    ),
}
DELETING = Mark("deleting", "Deleting", "arc")
STATE_MARKS = {
    ConnectionState.DRAFT: Mark("draft", "Draft", "dashed", "draft"),
    ConnectionState.READY: Mark("ready", "Ready", "tick", "ready"),
    ConnectionState.OBSOLETE: Mark("obsolete", "Obsolete", "square", "obsolete"),
    ConnectionState.LIMIT_EXCEEDED: Mark(
        "limitExceeded", "Limit exceeded", "triangle", "limitExceeded"
    ),
    ConnectionState.UNKNOWN_FUTURE_VALUE: Mark(
        "unknownFutureValue", "Unknown value", "diamond", "unknownFutureValue"
    ),
}
TRIAGE_MARKS = {
    Triage.OPEN: Mark("open", "Open", "octagon"),
    Triage.ACKNOWLEDGED: Mark("acknowledged", "Acknowledged", "tick"),
    Triage.SUPERSEDED: Mark("superseded", "Superseded", "dash"),
}


# Numbers and times -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """A number that stops at COUNT_LIMIT and says so."""

    number: int

    @classmethod
    def of(cls, rows: Any) -> Count:
        """Count a queryset, reading no further than one above the limit."""
        return cls(rows.order_by()[: COUNT_LIMIT + 1].count())

    def __bool__(self) -> bool:
        return self.number > 0

    def __str__(self) -> str:
        if self.number > COUNT_LIMIT:
            return f"{COUNT_LIMIT:,}+"
        return f"{self.number:,}"

    def named(self, one: str, many: str) -> str:
        return f"{self} {one if self.number == 1 else many}"


def exact_duration(span: timedelta) -> str:
    """``5 min 12 s``: for what has ended."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return "under 1 s"
    return _two_units(int(seconds)) or "0 s"


def coarse_duration(span: timedelta) -> str:
    """``5 min``: for what goes on. Changes once a minute, so that a calm page stays unchanged."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return "under a minute"
    return _two_units(seconds - seconds % 60)


def _two_units(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    if days:
        minutes = seconds = 0
    elif hours:
        seconds = 0
    units = (
        (days, "day" if days == 1 else "days"),
        (hours, "h"),
        (minutes, "min"),
        (seconds, "s"),
    )
    return " ".join(f"{number:,} {unit}" for number, unit in units if number)


def age(moment: datetime, now: datetime) -> str:
    """``3 min ago``, with one unit."""
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600} h ago"
    days = seconds // 86_400
    return f"{days:,} day{'' if days == 1 else 's'} ago"


# Operations --------------------------------------------------------------------------------------


def operation_mark(operation: ConnectionOperation) -> Mark:
    if operation.is_queued:
        return QUEUED
    return OPERATION_MARKS[OperationStatus(operation.status)]


def first_sentence(text: str) -> str:
    """The first sentence of a message, cut when even that is long."""
    text = text.strip()
    sentence = re.split(r"(?<=[.!?。])\s|\n", text, maxsplit=1)[0].strip()
    if len(sentence) > SENTENCE_LENGTH:
        return sentence[: SENTENCE_LENGTH - 1].rstrip() + "…"
    return sentence


def error_sentence(operation: ConnectionOperation) -> str:
    """What a failure says for itself, in one line."""
    if operation.error_message and operation.error_message.strip():
        return first_sentence(operation.error_message)
    if operation.error_code:
        return f"Failed with code {operation.error_code} and no message."
    return "Failed without an error."


def running_since(operation: ConnectionOperation) -> datetime:
    return operation.started_at or operation.created_at


def is_stuck(operation: ConnectionOperation, now: datetime) -> bool:
    return (
        operation.status == OperationStatus.INPROGRESS and operation.created_at < now - STUCK_AFTER
    )


def operation_sentence(operation: ConnectionOperation, now: datetime) -> str:
    """State and reason of an operation, as a list shows it."""
    if operation.status == OperationStatus.FAILED:
        return error_sentence(operation)
    if operation.status == OperationStatus.COMPLETED:
        return "Schema registered." if operation.is_workers else "Reported as completed."
    if operation.status == OperationStatus.INPROGRESS:
        if operation.is_queued:
            waited = coarse_duration(now - operation.created_at)
            return f"Waiting for a worker for {waited}."
        return f"Running for {coarse_duration(now - running_since(operation))}."
    if operation.status == OperationStatus.UNSPECIFIED:
        return "The service that reports it gave no status."
    return "A newer value that this version cannot name."


def operation_duration(operation: ConnectionOperation, now: datetime) -> str:
    if operation.finished_at:
        return exact_duration(operation.finished_at - running_since(operation))
    if operation.status == OperationStatus.INPROGRESS:
        return coarse_duration(now - running_since(operation))
    return ""


@dataclass(frozen=True)
class OperationRow:
    """One operation as lists show it."""

    operation: ConnectionOperation
    now: datetime

    @property
    def key(self) -> int:
        return self.operation.pk

    @property
    def graph_id(self) -> str:
        return self.operation.graph_id

    @property
    def connection(self) -> ExternalConnection:
        return self.operation.connection

    @property
    def mark(self) -> Mark:
        return operation_mark(self.operation)

    @property
    def sentence(self) -> str:
        return operation_sentence(self.operation, self.now)

    @property
    def kind(self) -> str:
        return "Schema registration" if self.operation.is_workers else "Reported operation"

    @property
    def duration(self) -> str:
        return operation_duration(self.operation, self.now)

    @property
    def is_stuck(self) -> bool:
        return is_stuck(self.operation, self.now)

    @property
    def triage(self) -> Mark | None:
        return TRIAGE_MARKS.get(Triage(self.operation.triage))

    @property
    def is_open(self) -> bool:
        return self.operation.triage == Triage.OPEN

    @property
    def can_retry(self) -> bool:
        return self.operation.can_be_retried and self.connection.deleting_since is None


# Connections -------------------------------------------------------------------------------------


def connection_mark(connection: ExternalConnection) -> Mark:
    if connection.deleting_since:
        return DELETING
    return STATE_MARKS[ConnectionState(connection.state)]


@dataclass(frozen=True)
class Health:
    """What a connection's state and latest operation come to, with the reason. Never stored."""

    mark: Mark
    reason: str


def health(
    connection: ExternalConnection,
    latest: ConnectionOperation | None,
    failure: ConnectionOperation | None,
    now: datetime,
) -> Health:
    """The first of these that is true: deleting, stuck, working, attention, then by state.

    ``failure`` is the newest open one. It asks for attention also when something else was
    reported since: nobody should read "Healthy" above a list of open failures.
    """
    if connection.deleting_since:
        return Health(DELETING, "It is being deleted. Its id is free again when the deletion ends.")
    if latest and latest.status == OperationStatus.INPROGRESS:
        going_on = coarse_duration(now - latest.created_at)
        if is_stuck(latest, now):
            return Health(
                Mark("stuck", "Stuck", "triangle"),
                f"The latest operation has not ended for {going_on}. "
                + (
                    "See whether a worker runs."
                    if latest.is_workers
                    else "Ask the service that reports it."
                ),
            )
        return Health(
            Mark("working", "Working", "arc"),
            f"The latest operation was requested {age(latest.created_at, now)}.",
        )
    if failure:
        attention = Mark("attention", "Needs attention", "octagon")
        earlier = "" if failure == latest else "An earlier failure is open: "
        return Health(attention, earlier + error_sentence(failure))
    return _health_of_state(ConnectionState(connection.state))


def _health_of_state(state: ConnectionState) -> Health:
    return {
        ConnectionState.LIMIT_EXCEEDED: Health(
            Mark("limited", "Limited", "triangle"),
            "It takes no new items until it is below the limit.",
        ),
        ConnectionState.OBSOLETE: Health(
            Mark("obsolete", "Obsolete", "square"), "It can only be read and deleted."
        ),
        ConnectionState.DRAFT: Health(
            Mark("draft", "Set-up not finished", "dashed"),
            "It has no schema in force yet. Next step: register one.",
        ),
        ConnectionState.READY: Health(Mark("healthy", "Healthy", "tick"), "It accepts items."),
        ConnectionState.UNKNOWN_FUTURE_VALUE: STATE_UNKNOWN,
    }[state]


STATE_UNKNOWN = Health(
    STATE_MARKS[ConnectionState.UNKNOWN_FUTURE_VALUE],
    "Its state is a newer value that this version cannot name.",
)


@dataclass(frozen=True)
class ConnectionRow:
    """One connection as the list shows it."""

    connection: ExternalConnection
    latest: OperationRow | None

    @property
    def key(self) -> int:
        return self.connection.pk

    @property
    def mark(self) -> Mark:
        return connection_mark(self.connection)


# One operation in full ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened to an operation, and how long after the one before."""

    label: str
    at: datetime
    who: str = ""
    channel: str = ""
    request_id: str = ""
    note: str = ""
    gap: str = ""


def timeline(operation: ConnectionOperation, changes: list[Change]) -> list[TimelineEntry]:
    """The recorded changes; for an operation that has none (an import), its own times."""
    if not changes:
        moments = (
            ("Requested", operation.created_at),
            ("Started", operation.started_at),
            ("Finished", operation.finished_at),
        )
        entries = [TimelineEntry(label, at) for label, at in moments if at]
    else:
        entries = [
            TimelineEntry(
                label=change.get_action_display(),
                at=change.at,
                who=change.actor_name,
                channel=change.get_channel_display(),
                request_id=change.request_id,
                note=change.note,
            )
            for change in changes
        ]
    return [
        TimelineEntry(**{**vars(entry), "gap": exact_duration(entry.at - before.at)})
        if before
        else entry
        for before, entry in zip([None, *entries], entries, strict=False)
    ]


@dataclass(frozen=True)
class Node:
    """One member of a JSON document: a value, or members of its own."""

    label: str
    value: str = ""
    children: list[Node] = field(default_factory=list)


def tree(value: Any) -> list[Node]:
    """A JSON object or list as nested nodes; list entries are numbered from 1."""
    if isinstance(value, dict):
        members = [(str(label), member) for label, member in value.items()]
    else:
        members = [(str(number), member) for number, member in enumerate(value, 1)]
    return [
        Node(label, children=tree(member))
        if isinstance(member, dict | list) and member
        else Node(label, member if isinstance(member, str) else json.dumps(member))
        for label, member in members
    ]


@dataclass(frozen=True)
class ErrorInFull:
    """A publicError, ready to print."""

    message: str
    code: str
    target: str
    details: list[dict[str, Any]]
    inner: list[Node]

    @classmethod
    def of(cls, operation: ConnectionOperation) -> ErrorInFull | None:
        if operation.error is None:
            return None
        return cls(
            message=operation.error_message or "",
            code=operation.error_code or "",
            target=operation.error_target or "",
            details=operation.error_details or [],
            inner=tree(operation.error_inner or {}),
        )

    @property
    def is_long(self) -> bool:
        return len(self.message) > LONG_MESSAGE or self.message.count("\n") > 2

    @property
    def length(self) -> str:
        return f"{len(self.message):,}"


def graph_json(operation: ConnectionOperation) -> str:
    """The operation as the API answers it."""
    return json.dumps(operation.graph(), indent=2, ensure_ascii=False)


# Schema ------------------------------------------------------------------------------------------

FLAGS = (
    ("isSearchable", "Searchable"),
    ("isQueryable", "Queryable"),
    ("isRetrievable", "Retrievable"),
    ("isRefinable", "Refinable"),
)


@dataclass(frozen=True)
class PropertyRow:
    """One property of a schema."""

    name: str
    type: str
    description: str
    flags: list[tuple[str, bool]]
    labels: list[str]
    aliases: list[str]

    @classmethod
    def of(cls, document: dict[str, Any]) -> PropertyRow:
        return cls(
            name=document.get("name", ""),
            type=document.get("type", ""),
            description=document.get("description") or "",
            flags=[(label, bool(document.get(member))) for member, label in FLAGS],
            labels=document.get("labels") or [],
            aliases=document.get("aliases") or [],
        )
