"""An operation in one line: what a list shows of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from operations.dashboard.presentation.numbers import coarse_duration, exact_duration
from operations.marks import TRIAGE_MARKS, Mark, operation_mark
from operations.models import ConnectionOperation, ExternalConnection, OperationStatus, Triage

SENTENCE_LENGTH = 240


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
        return self.operation.is_stuck(self.now)

    @property
    def triage(self) -> Mark | None:
        return TRIAGE_MARKS.get(Triage(self.operation.triage))

    @property
    def is_open(self) -> bool:
        return self.operation.triage == Triage.OPEN

    @property
    def can_retry(self) -> bool:
        return self.operation.can_be_retried and self.connection.deleting_since is None
