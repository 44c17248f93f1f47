"""What a connection's state and its operations come to. Derived by the database, never stored."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, Value, When

from operations.models.enums import ConnectionState
from operations.models.operation import ConnectionOperation


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


def health(now: datetime) -> Case:
    """The health of an ExternalConnection row, for ``annotate``. The first that holds wins.

    An open failure asks for attention also when something else was reported since: nobody should
    read "Healthy" above a list of open failures.
    """
    below = ConnectionOperation.objects.filter(connection=OuterRef("pk"))
    return Case(
        When(Q(deleting_since__isnull=False), then=Value(Health.DELETING)),
        When(Exists(below.stuck(now)), then=Value(Health.STUCK)),
        When(Exists(below.in_progress()), then=Value(Health.WORKING)),
        When(Exists(below.open_failures()), then=Value(Health.ATTENTION)),
        *(When(state=state, then=Value(rank)) for state, rank in HEALTH_OF_STATE.items()),
        default=Value(Health.HEALTHY),
        output_field=models.SmallIntegerField(),
    )
