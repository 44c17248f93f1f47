"""OperationSelection: which operations are meant, alike for a page, a file and an action."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from operations.models import ConnectionOperation, OperationStatus, Triage
from operations.models.durations import longer_than
from operations.models.few import if_few
from operations.models.operation_queryset import ConnectionOperationQuerySet


@dataclass(frozen=True)
class OperationSelection:
    """The operations for which all that is given here holds; with nothing given, every one.

    ``connections`` are ids in any case of letters. ``text`` stands somewhere in the message, code
    or target of the error. ``since`` and ``until`` are about when it was requested.
    ``longer_than`` is in seconds. ``keys`` are surrogate keys: these and no others.
    """

    statuses: tuple[OperationStatus, ...] = ()
    triages: tuple[Triage, ...] = ()
    connections: tuple[str, ...] = ()
    code: str = ""
    text: str = ""
    application: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    longer_than: int | None = None
    stuck: bool = False
    fingerprint: str = ""
    keys: tuple[int, ...] | None = None

    def rows(self, now: datetime) -> ConnectionOperationQuerySet:
        """What is meant at this moment."""
        return self.among(ConnectionOperation.objects.all(), now)

    def among(
        self, rows: ConnectionOperationQuerySet, now: datetime
    ) -> ConnectionOperationQuerySet:
        """What is meant of these rows."""
        if self.keys is not None:
            rows = rows.filter(pk__in=self.keys)
        if self.statuses:
            rows = rows.in_status(*self.statuses)
        if self.triages or self.code or self.text or self.fingerprint:
            # only these have it; said again, it lets the index of statuses narrow the search
            rows = rows.in_status(OperationStatus.FAILED)
        if len(self.triages) == 1:
            # equal, and not one of one, is what lets the index of open failures be taken
            rows = rows.filter(triage=self.triages[0])
        elif self.triages:
            rows = rows.filter(triage__in=self.triages)
        if self.connections:
            ids = [graph_id.lower() for graph_id in self.connections]
            rows = rows.filter(connection__lookup_id__in=ids)
        if self.code:
            rows = rows.filter(error_code__iexact=self.code)
        if self.text:
            rows = rows.filter(
                Q(error_message__icontains=self.text)
                | Q(error_code__icontains=self.text)
                | Q(error_target__icontains=self.text)
            )
        if self.application:
            rows = rows.filter(requested_app_id=self.application)
        if self.since:
            rows = rows.filter(created_at__gte=self.since)
        if self.until:
            rows = rows.filter(created_at__lte=self.until)
        if self.longer_than is not None:
            longer = longer_than(self.longer_than, now)
            if self.since or self.until:
                # all of that time would be asked how long they took, when few took so long
                rows = rows.filter(if_few(ConnectionOperation.objects.filter(longer)))
            rows = rows.filter(longer)
        if self.stuck:
            rows = rows.stuck(now)
        if self.fingerprint:
            # the index of failures by their error leaves out all that have not failed
            rows = rows.exclude(fingerprint="").filter(fingerprint=self.fingerprint)
        return rows

    def to_json(self) -> dict[str, Any]:
        """What is given, as plain JSON: statuses in Graph's words, times in ISO 8601."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: _WRITE[name](value) if name in _WRITE else value
            for name, value in given.items()
            if value != getattr(type(self), name)
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> OperationSelection:
        """The selection that ``to_json`` wrote. Raises ValueError for anything else."""
        try:
            return cls(**{name: _READ[name](value) for name, value in document.items()})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{document} is no selection.") from error


def _status(word: str) -> OperationStatus:
    status = OperationStatus.from_word(word)
    if status is None:
        raise ValueError(f"{word} is no status.")
    return status


_WRITE: dict[str, Any] = {
    "statuses": lambda statuses: [status.word for status in statuses],
    "triages": lambda triages: [triage.value for triage in triages],
    "connections": list,
    "application": str,
    "since": datetime.isoformat,
    "until": datetime.isoformat,
    "keys": list,
}
_READ: dict[str, Any] = {
    "statuses": lambda words: tuple(_status(word) for word in words),
    "triages": lambda values: tuple(Triage(value) for value in values),
    "connections": lambda ids: tuple(str(graph_id) for graph_id in ids),
    "code": str,
    "text": str,
    "application": UUID,
    "since": datetime.fromisoformat,
    "until": datetime.fromisoformat,
    "longer_than": int,
    "stuck": bool,
    "fingerprint": str,
    "keys": lambda keys: tuple(int(key) for key in keys),
}
