"""Claim: what a worker has in its hands."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from operations.models.change import Actor
from operations.models.enums import OperationStatus
from operations.models.operation import ConnectionOperation


@dataclass(frozen=True)
class Claim:
    """An operation that a worker holds: until its lease ends, under this attempt number.

    For the log and the history it has the ids that callers know, and the id of the request that
    asked for the operation.
    """

    operation_key: int
    connection_key: int
    attempt: int
    worker: str
    connection_id: str
    operation_id: str
    request_id: str
    wait: float = 0  # seconds until the registration has taken its time
    taken_over: bool = False  # from a worker that fell silent

    @classmethod
    def of(cls, operation: ConnectionOperation) -> Claim:
        """The one that an operation is under now, or was last."""
        return cls(
            operation.pk,
            operation.connection_id,
            operation.attempt,
            operation.worker,
            operation.connection.graph_id,
            operation.graph_id,
            operation.request_id,
        )

    @property
    def actor(self) -> Actor:
        return Actor.worker(self.worker, self.request_id)

    def fence(self) -> Q:
        """That it is still held so."""
        held = {"worker": self.worker, "attempt": self.attempt}
        return Q(pk=self.operation_key, status=OperationStatus.INPROGRESS, **held)
