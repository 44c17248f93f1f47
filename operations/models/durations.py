"""How long operations took, as the databases compute it and as an index holds it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Expression, FloatField, Func, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan

from operations.models.enums import OperationStatus


class SecondsBetween(Func):
    """The seconds from one moment to another, by the database's own functions."""

    template = "EXTRACT(EPOCH FROM (%(expressions)s))"
    arg_joiner = " - "
    output_field = FloatField()

    def __init__(self, since: Expression | str, until: Expression | str):
        super().__init__(until, since)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # what Django makes of a difference there calls Python for each row
        days = self.copy()
        days.set_source_expressions(
            [Func(moment, function="julianday") for moment in self.get_source_expressions()]
        )
        return days.as_sql(compiler, connection, template="(%(expressions)s) * 86400", **context)


def began() -> Coalesce:
    return Coalesce("started_at", "created_at")


def seconds_taken() -> SecondsBetween:
    """Of what has ended; null for all else."""
    return SecondsBetween(began(), "finished_at")


def longer_than(seconds: int, now: datetime) -> Q:
    """What took longer, or has been in progress for longer by now."""
    since = now - timedelta(seconds=seconds)
    goes_on = Q(LessThan(began(), since), status=OperationStatus.INPROGRESS)
    return Q(GreaterThan(seconds_taken(), seconds)) | goes_on
