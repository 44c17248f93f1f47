"""What a connection's state and its operations come to. Derived by the database, never stored."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, Value, When

from operations.models.enums import ConnectionState
from operations.models.few import if_few
from operations.models.operation import ConnectionOperation
from operations.models.operation_queryset import ConnectionOperationQuerySet


class Health(models.IntegerChoices):
    """In the order in which lists show them: what needs a person first."""

    STUCK = 1, "stuck"
    ATTENTION = 2, "attention"
    LIMITED = 3, "limited"
    WORKING = 4, "working"
    DRAFT = 5, "draft"
    UNKNOWN = 6, "unknown"
    OBSOLETE = 7, "obsolete"
    DELETING = 8, "deleting"
    HEALTHY = 9, "healthy"


HEALTH_OF_STATE = {
    ConnectionState.LIMIT_EXCEEDED: Health.LIMITED,
    ConnectionState.OBSOLETE: Health.OBSOLETE,
    ConnectionState.DRAFT: Health.DRAFT,
    ConnectionState.UNKNOWN_FUTURE_VALUE: Health.UNKNOWN,
}


def health(now: datetime, *, of_many: bool = False) -> Case:
    """The health of an ExternalConnection row, for ``annotate``. The first that holds wins.
    ``of_many`` makes it quicker to compute for thousands of rows, and slower for a page of them.

    An open failure asks for attention also when something else was reported since: nobody should
    read "Healthy" above a list of open failures.
    """
    return Case(
        *(When(condition, then=Value(rank)) for rank, condition in _conditions(now, of_many)),
        default=Value(Health.HEALTHY),
        output_field=models.SmallIntegerField(),
    )


def has_health(now: datetime, *wanted: Health) -> Q:
    """Whether a row's health is one of these; for ``filter``, where it is far quicker to find than
    to compute for each row."""
    found, earlier = Q(pk__in=[]), Q()
    for rank, condition in [*_conditions(now, of_many=True), (Health.HEALTHY, Q())]:
        if rank in wanted:
            found |= condition & earlier
        # what does not work is not stuck either
        if rank != Health.STUCK or Health.WORKING in wanted:
            earlier &= ~condition
    return found


def _conditions(now: datetime, of_many: bool) -> list[tuple[Health, Q]]:
    def has(some: ConnectionOperationQuerySet) -> Q:
        below = Q(Exists(some.filter(connection=OuterRef("pk"))))
        return if_few(some, "connection") & below if of_many else below

    operations = ConnectionOperation.objects.all()
    return [
        (Health.DELETING, Q(deleting_since__isnull=False)),
        (Health.STUCK, has(operations.stuck(now))),
        (Health.WORKING, has(operations.in_progress())),
        (Health.ATTENTION, has(operations.open_failures())),
        *((rank, Q(state=state)) for state, rank in HEALTH_OF_STATE.items()),
    ]
