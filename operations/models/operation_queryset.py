"""Sets of operations, and how one that another service runs comes into being."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections, models, transaction
from django.db.models import Q, Value
from django.db.models.expressions import Combinable
from django.utils import timezone

from operations.errors import InvalidRequest, ItemNotFound, NameAlreadyExists
from operations.models import pace
from operations.models.change import Action, Actor, Change
from operations.models.connection import ExternalConnection
from operations.models.enums import OperationStatus
from operations.models.inserting import Following, insert
from operations.models.moves import (
    TERMINAL,
    Kind,
    Triage,
    check_error_fits,
    outcome_columns,
)
from operations.models.operation_id import new_operation_id, operation_id_fault
from operations.models.outcome_count import count_outcome

if TYPE_CHECKING:
    from operations.models.operation import ConnectionOperation


#: By so much more than it can be, a time lies too far in the future: workers may have been started
#: with other settings than these.
CLOCK_TRUST = timedelta(minutes=5)
#: What lies further ahead than this is to stay out of the worker's reach, as in the demo.
FOR_GOOD = timedelta(days=18_250)


def longest_delay() -> float:
    """Seconds that an operation waits at the most before it is tried again."""
    return delay_after(settings.OPERATION_ATTEMPTS)


def delay_after(attempt: int) -> float:
    """Seconds that an operation waits after this attempt broke."""
    return float(2 ** min(attempt, 10))


def _too_far(column: str, now: datetime | Combinable, seconds: float) -> Q:
    """Whether a moment lies further ahead than these seconds, though it is not meant for good."""

    def ahead(distance: timedelta) -> datetime | Combinable:
        if isinstance(now, datetime):
            return now + distance
        return models.ExpressionWrapper(now + Value(distance), output_field=models.DateTimeField())

    nearest = ahead(timedelta(seconds=seconds) + CLOCK_TRUST)
    return Q(**{f"{column}__gt": nearest, f"{column}__lt": ahead(FOR_GOOD)})


class ConnectionOperationQuerySet(models.QuerySet["ConnectionOperation"]):
    def worker_unfinished(self) -> ConnectionOperationQuerySet:
        """What our worker still has to do."""
        return self.filter(kind=Kind.SCHEMA_REGISTRATION, status=OperationStatus.INPROGRESS)

    def claimable(self, now: datetime | Combinable) -> ConnectionOperationQuerySet:
        """What a worker may take at that time: what is due and queued, or whose worker fell silent.

        ``now`` is a time, or the expression for the database's own. A lease that ends later than
        one can last, or a delay that is longer than the longest, was given by a clock that has
        been set back since: it does not count.
        """
        waiting = self.worker_unfinished().filter(connection__deleting_since=None)
        return waiting.filter(
            Q(run_after__lte=now) | _too_far("run_after", now, longest_delay()),
            Q(lease_until=None)
            | Q(lease_until__lt=now)
            | _too_far("lease_until", now, settings.OPERATION_LEASE),
        )

    def open_failures(self) -> ConnectionOperationQuerySet:
        """Failures that nobody acknowledged and no later success superseded."""
        return self.filter(triage=Triage.OPEN)

    def in_status(self, *statuses: OperationStatus) -> ConnectionOperationQuerySet:
        """Those that have one of these statuses."""
        if len(statuses) == 1:  # equal, and not one of one, is what lets a partial index be taken
            return self.filter(status=statuses[0])
        return self.filter(status__in=statuses)

    def in_progress(self) -> ConnectionOperationQuerySet:
        return self.in_status(OperationStatus.INPROGRESS)

    def stuck(self, now: datetime) -> ConnectionOperationQuerySet:
        """In progress for longer than is usual (models.pace)."""
        return self.in_progress().filter(overdue_at__lt=now)

    def with_id_like(self, beginning: str) -> ConnectionOperationQuerySet:
        """Whose id begins so, by the index. SQLite's LIKE cannot use it, PostgreSQL's LIKE can; a
        range is right only where texts are compared by byte, as SQLite does.
        """
        if connections[self.db].vendor == "sqlite":
            # ids are ASCII: none goes on with a character behind DEL
            return self.filter(graph_id__gte=beginning, graph_id__lt=f"{beginning}\x7f")
        return self.filter(graph_id__startswith=beginning)

    def report(
        self,
        connection: ExternalConnection,
        actor: Actor,
        *,
        graph_id: str | None = None,
        status: OperationStatus = OperationStatus.INPROGRESS,
        error: dict[str, Any] | None = None,
    ) -> ConnectionOperation:
        """Record an operation that another service runs.

        Raises InvalidRequest for an id or error that breaks the rules, NameAlreadyExists when
        the connection has an operation with that id, ItemNotFound when it was deleted meanwhile.
        """
        if graph_id is not None and (fault := operation_id_fault(graph_id)):
            raise InvalidRequest([fault])
        check_error_fits(status, error)
        # of a longer transaction it is a part without a savepoint, for both refusals come before
        # anything has been written
        with transaction.atomic(savepoint=False):
            # not left to the foreign key: that is looked at when the transaction ends
            alive, usual = pace.hold_with_usual(connection, Kind.REPORTED)
            operation = None
            if alive:
                operation = self._insert_reported(connection, actor, graph_id, status, error, usual)
        if not alive:
            raise ItemNotFound("Connection")
        if operation is None:
            raise NameAlreadyExists(
                f"Connection '{connection.graph_id}' already has an operation with the id "
                f"'{graph_id}'.",
                target="id",
            )
        return operation

    def _insert_reported(
        self,
        connection: ExternalConnection,
        actor: Actor,
        graph_id: str | None,
        status: OperationStatus,
        error: dict[str, Any] | None,
        usual: float | None,
    ) -> ConnectionOperation | None:
        """None when there is one with this id."""
        now = timezone.now()
        operation = self.model(
            connection=connection,
            graph_id=graph_id or new_operation_id(),
            kind=Kind.REPORTED,
            requested_by=actor.name[:200],
            requested_app_id=actor.app_id,
            request_id=actor.request_id[:64],
            started_at=None if status == OperationStatus.UNSPECIFIED else now,
            **outcome_columns(status, error, now) | expectation(usual, status, now),
        )
        recorded = Change.values(
            actor, Action.OPERATION_REPORTED, operation=operation, after=operation.snapshot()
        )
        change = Following(Change, recorded, refers="operation_key")
        if not insert(operation, unless=("connection", "graph_id"), following=change):
            return None
        if status == OperationStatus.COMPLETED:
            operation.supersede_failures(actor)
        if operation.is_terminal:
            count_outcome(operation)
        return operation


def expectation(usual: float | None, status: OperationStatus, now: datetime) -> dict[str, Any]:
    """What a new row holds about its duration: the usual one, and from when on it is stuck."""
    if status in TERMINAL:
        return {}
    running = status == OperationStatus.INPROGRESS
    return {"usual_seconds": usual, "overdue_at": pace.overdue_at(now, usual) if running else None}
