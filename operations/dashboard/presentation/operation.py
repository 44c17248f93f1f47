"""One operation in full: its timeline, its error, its JSON, what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from operations.dashboard.presentation.numbers import coarse_duration, exact_duration
from operations.dashboard.presentation.operations import running_since
from operations.models import (
    Action,
    ActorKind,
    Change,
    ConnectionOperation,
    OperationStatus,
    Triage,
    WorkerHeartbeat,
)

#: A message longer than this is folded to three lines.
LONG_MESSAGE = 400
#: What waits longer for a worker than this makes one ask whether there is a worker.
PATIENCE = timedelta(minutes=1)

# Timeline -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened to an operation, and how long after the one before.

    ``at`` is None for what goes on now. ``attempt`` is the worker's; ``retry`` is the id of the
    operation that retries this one.
    """

    label: str
    at: datetime | None
    who: str = ""
    channel: str = ""
    request_id: str = ""
    note: str = ""
    gap: str = ""
    attempt: str = ""
    retry: str = ""


def timeline(
    operation: ConnectionOperation,
    changes: list[Change],
    retries: Iterable[ConnectionOperation],
    now: datetime,
) -> list[TimelineEntry]:
    """The recorded changes, or its own times if it has none (an import); its retries; what is now.

    What the worker does is numbered by its attempts. A retry is another operation.
    """
    entries = [_entry(change) for change in changes] or _own_times(operation)
    if operation.is_workers and entries:
        entries.insert(1, TimelineEntry(_("Queued"), entries[0].at))
    entries += [
        TimelineEntry(_("Retried"), retry.created_at, who=retry.requested_by, retry=retry.graph_id)
        for retry in retries
    ]
    entries.sort(key=lambda entry: entry.at or now)
    entries = [entries[0], *map(_with_gap, entries, entries[1:])]
    return entries + _going_on(operation, now)


def _entry(change: Change) -> TimelineEntry:
    number = (change.after or {}).get("attempt")
    attempt = ""
    if change.action in (Action.OPERATION_STARTED, Action.OPERATION_TAKEN_OVER) and number:
        most = max(settings.OPERATION_ATTEMPTS, number)
        attempt = _("attempt %(number)s of %(most)s") % {"number": number, "most": most}
    return TimelineEntry(
        label=change.get_action_display(),
        attempt=attempt,
        at=change.at,
        who=change.actor_name,
        channel=change.get_channel_display(),
        request_id=change.request_id,
        note=change.note,
    )


def _own_times(operation: ConnectionOperation) -> list[TimelineEntry]:
    moments = (
        (_("Requested"), operation.created_at),
        (_("Started"), operation.started_at),
        (_("Finished"), operation.finished_at),
    )
    return [TimelineEntry(label, at) for label, at in moments if at]


def _with_gap(before: TimelineEntry, entry: TimelineEntry) -> TimelineEntry:
    if before.at is None or entry.at is None or entry.at == before.at:
        return entry
    gap = _("%(time)s later") % {"time": exact_duration(entry.at - before.at)}
    return TimelineEntry(**{**vars(entry), "gap": gap})


def _going_on(operation: ConnectionOperation, now: datetime) -> list[TimelineEntry]:
    if operation.status != OperationStatus.INPROGRESS:
        return []
    label = _("Waiting for a worker") if operation.is_queued else _("Running")
    gap = _("for %(time)s") % {"time": coarse_duration(now - running_since(operation))}
    return [TimelineEntry(label, None, gap=gap)]


# Error --------------------------------------------------------------------------------------------


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


# What to do ---------------------------------------------------------------------------------------


def waiting_advice(
    operation: ConnectionOperation, worker: WorkerHeartbeat | None, now: datetime
) -> str:
    """What to do about an operation that does not end; empty while it takes its usual time.

    ``worker`` is the one that was heard of last.
    """
    if operation.status != OperationStatus.INPROGRESS:
        return ""
    stuck = operation.is_stuck(now)
    if not operation.is_workers:
        if not stuck:
            return ""
        return _(
            "%(who)s reports it and has not moved it on. Ask there whether it still runs. An "
            "administrator can mark it as failed or completed."
        ) % {"who": operation.requested_by or _("Another service")}
    lives = worker is not None and worker.is_alive(now)
    if operation.is_queued:
        if not lives and now - operation.created_at > PATIENCE:
            return _no_worker(worker)
        if stuck:
            return _(
                "A worker lives and has not taken it so far. Look at the worker's log, and at the "
                "queue on the settings page."
            )
        return ""
    if not stuck:
        return ""
    if operation.lease_until and operation.lease_until < now:
        if lives:
            return _("Its worker has fallen silent. Another one takes it over within a minute.")
        return _no_worker(worker)
    return _(
        "Worker %(worker)s has it in hand and it takes far longer than usual. Look at the "
        "worker's log. An administrator can mark it as failed, which keeps the worker from "
        "changing anything later."
    ) % {"worker": operation.worker}


def _no_worker(worker: WorkerHeartbeat | None) -> str:
    start = _(
        "Start one with python manage.py run_operations, or with python manage.py serve, which "
        "runs one too."
    )
    if worker is None:
        return f"{_('No worker has been heard of.')} {start}"
    since = _("No worker has been heard of since %(time)s.") % {"time": at_time(worker.seen_at)}
    return f"{since} {start}"


def already(operation: ConnectionOperation, decision: Change | None) -> str:
    """Why an action came too late: ``Already completed by the worker at 14:03.`` and so on."""
    nothing = _("Nothing changed.")
    if operation.triage == Triage.SUPERSEDED:
        return f"{_('A later success has settled it already.')} {nothing}"
    if operation.triage == Triage.ACKNOWLEDGED:
        what = _("Already acknowledged")
    elif operation.status == OperationStatus.COMPLETED:
        what = _("Already completed")
    elif operation.status == OperationStatus.FAILED:
        what = _("Already failed")
    else:
        return f"{_('Only a failure can be acknowledged.')} {nothing}"
    if decision is None:
        return f"{what}. {nothing}"
    by_worker = decision.actor_kind == ActorKind.WORKER
    sentence = _("%(what)s by %(who)s %(time)s.") % {
        "what": what,
        "who": _("the worker") if by_worker else decision.actor_name,
        "time": at_time(decision.at),
    }
    return f"{sentence} {nothing}"


def at_time(moment: datetime) -> str:
    """``at 14:03``, or with the day if that is not today."""
    local = timezone.localtime(moment)
    if local.date() == timezone.localdate():
        return _("at %(time)s") % {"time": f"{local:%H:%M}"}
    return _("on %(time)s") % {"time": date_format(local, "j M Y, H:i", use_l10n=False)}
