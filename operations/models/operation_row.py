"""What the API shows of an operation, whether all of its row was read or only what that takes."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

from operations.models.enums import OperationStatus
from operations.models.moves import ERROR_COLUMNS, TERMINAL, Kind
from operations.preconditions import weak_tag

if TYPE_CHECKING:
    from datetime import datetime


class OperationMembers:
    """Graph's members of an operation and its tag, made of the columns below."""

    if TYPE_CHECKING:
        id: Any
        graph_id: Any
        kind: Any
        status: Any
        changed_at: Any

    @property
    def error(self) -> dict[str, Any] | None:
        """The publicError with the members that were given, None when there is none."""
        if self.status != OperationStatus.FAILED:  # operation_error_only_when_failed
            return None
        members = {
            member: value
            for member, column in ERROR_COLUMNS.items()
            if (value := getattr(self, column)) is not None
        }
        return members or None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_workers(self) -> bool:
        """Whether our worker runs it, as opposed to another service that reports it."""
        return self.kind == Kind.SCHEMA_REGISTRATION

    @property
    def etag(self) -> str:
        """The weak tag of the operation as it is now."""
        changed_at: datetime = self.changed_at
        return weak_tag(self.id, self.status, changed_at)

    def snapshot(self) -> dict[str, Any]:
        """What a Change keeps of an operation: the members that can change."""
        return {"status": OperationStatus.word_of(self.status), "error": self.error}

    def graph(self) -> dict[str, Any]:
        """The operation as Graph shows it: three members, ``error`` null unless it failed."""
        return {"id": self.graph_id, **self.snapshot()}


# in the order of the model's fields
COLUMNS = ("id", "graph_id", "kind", "status", *ERROR_COLUMNS.values(), "changed_at")


class OperationRow(OperationMembers, namedtuple("OperationRow", COLUMNS)):  # type: ignore[misc]
    """No more of a row than an answer shows: to make a model takes longer than to read it."""

    __slots__ = ()

    @property
    def pk(self) -> int:
        return self.id
