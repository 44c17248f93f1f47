"""One operation in full: its timeline, its error, its JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from operations.dashboard.presentation.numbers import exact_duration
from operations.models import Change, ConnectionOperation

#: A message longer than this is folded to three lines.
LONG_MESSAGE = 400


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
