"""An operation in one line, and unfolded: what a list shows of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.dashboard.presentation.numbers import coarse_duration, exact_duration
from operations.marks import TRIAGE_MARKS, Mark, operation_mark
from operations.models import ConnectionOperation, ExternalConnection, Kind, OperationStatus, Triage
from operations.models.pace import STUCK_FACTOR

SENTENCE_LENGTH = 240
#: Characters of a message, and entries of its details, that a row unfolds in place; all of them
#: are on the operation's page.
UNFOLDED_MESSAGE = 1200
UNFOLDED_DETAILS = 5
KIND_LABELS = {
    Kind.SCHEMA_REGISTRATION: gettext_lazy("Schema registration"),
    Kind.REPORTED: gettext_lazy("Reported operation"),
}


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
        return _("Failed with code %(code)s and no message.") % {"code": operation.error_code}
    return _("Failed without an error.")


def running_since(operation: ConnectionOperation) -> datetime:
    return operation.started_at or operation.created_at


def operation_sentence(operation: ConnectionOperation, now: datetime) -> str:
    """State and reason of an operation, as a list shows it."""
    if operation.status == OperationStatus.FAILED:
        return error_sentence(operation)
    if operation.status == OperationStatus.COMPLETED:
        return _("Schema registered.") if operation.is_workers else _("Reported as completed.")
    if operation.status == OperationStatus.INPROGRESS:
        if operation.is_queued:
            waited = coarse_duration(now - operation.created_at)
            return _("Waiting for a worker for %(time)s.") % {"time": waited}
        going_on = coarse_duration(now - running_since(operation))
        return _("Running for %(time)s.") % {"time": going_on}
    if operation.status == OperationStatus.UNSPECIFIED:
        return _("The service that reports it gave no status.")
    return _("A newer value that this version cannot name.")


def time_taken(operation: ConnectionOperation, now: datetime) -> timedelta | None:
    """How long it took, or has been going on; whole minutes of the latter, for a calm page."""
    if operation.finished_at:
        return max(timedelta(0), operation.finished_at - running_since(operation))
    if operation.status == OperationStatus.INPROGRESS:
        taken = max(timedelta(0), now - running_since(operation))
        return taken - taken % timedelta(minutes=1)
    return None


def operation_duration(operation: ConnectionOperation, now: datetime) -> str:
    taken = time_taken(operation, now)
    if taken is None:
        return ""
    return exact_duration(taken) if operation.finished_at else coarse_duration(taken)


@dataclass(frozen=True)
class Pace:
    """A duration beside the usual one, as a small bar: a third of its width is the usual time.

    At its end the operation is as slow as what counts as stuck.
    """

    taken: timedelta
    usual: timedelta

    #: pixels
    width = 72
    mark = width // STUCK_FACTOR

    @property
    def length(self) -> int:
        """Pixels of the bar."""
        share = self.taken / self.usual if self.usual else STUCK_FACTOR
        return round(max(2, min(self.width, share * self.mark)))

    @property
    def is_slow(self) -> bool:
        """Whether it is well above the usual time."""
        return self.taken > self.usual * 1.5 + timedelta(seconds=1)

    @property
    def text(self) -> str:
        return _("usual %(time)s") % {"time": exact_duration(self.usual)}


def pace(operation: ConnectionOperation, now: datetime) -> Pace | None:
    """None where nothing is known to compare with."""
    taken = time_taken(operation, now)
    if taken is None or operation.usual_seconds is None:
        return None
    return Pace(taken, timedelta(seconds=operation.usual_seconds))


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

    @cached_property
    def sentence(self) -> str:
        return operation_sentence(self.operation, self.now)

    @property
    def select_label(self) -> str:
        return _("Select operation %(id)s") % {"id": self.graph_id}

    @property
    def of_label(self) -> str:
        """Behind what there is once in each row."""
        return _("of operation %(id)s") % {"id": self.graph_id}

    @property
    def kind(self) -> str:
        return str(KIND_LABELS[Kind(self.operation.kind)])

    @property
    def short_kind(self) -> str:
        """The same under a head that says "kind"."""
        return _("Schema registration") if self.operation.is_workers else _("Reported")

    @cached_property
    def duration(self) -> str:
        return operation_duration(self.operation, self.now)

    @cached_property
    def pace(self) -> Pace | None:
        return pace(self.operation, self.now)

    @property
    def is_stuck(self) -> bool:
        return self.operation.is_stuck(self.now)

    @property
    def has_failed(self) -> bool:
        return self.operation.status == OperationStatus.FAILED

    @property
    def triage(self) -> Mark | None:
        return TRIAGE_MARKS.get(Triage(self.operation.triage))

    @property
    def is_open(self) -> bool:
        return self.operation.triage == Triage.OPEN

    @property
    def can_retry(self) -> bool:
        return self.operation.can_be_retried and self.connection.deleting_since is None

    @property
    def message(self) -> str:
        """The message of the error as far as the row unfolds it, if it says more than the row."""
        message = (self.operation.error_message or "").strip()
        if message == self.sentence:
            return ""
        if len(message) > UNFOLDED_MESSAGE:
            return message[: UNFOLDED_MESSAGE - 1].rstrip() + "…"
        return message

    @property
    def details(self) -> list[dict[str, Any]]:
        return (self.operation.error_details or [])[:UNFOLDED_DETAILS]

    @property
    def has_more(self) -> bool:
        """Whether the operation's page shows more of the error than the unfolded row."""
        operation = self.operation
        return (
            len(operation.error_message or "") > UNFOLDED_MESSAGE
            or len(operation.error_details or []) > UNFOLDED_DETAILS
            or bool(operation.error_inner)
        )
