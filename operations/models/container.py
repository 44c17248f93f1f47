"""Container: a connection as those need it who write or read what is in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Self

from django.db.models import OuterRef, QuerySet, Subquery, Value

from operations.models.connection import ExternalConnection
from operations.models.item_tally import EVERYTHING, ItemTally, items_in
from operations.models.prepared import parameter
from operations.models.schema import Schema

COLUMNS = (
    *("pk", "graph_id", "state", "limited_by", "schema_key", "schema_since"),
    *("items_here", "items_in_all"),
)


class Container(NamedTuple):
    """``limited_by`` says which limit has put it into its state. The schema in force is known by
    its key and the moment since when it is; ``items`` and ``items_in_all`` are how many there are.
    """

    key: int
    graph_id: str
    state: int
    limited_by: str
    schema_key: int | None
    schema_since: datetime | None
    items: int
    items_in_all: int

    @classmethod
    def columns(cls, connections: QuerySet[Any, Any], *more: str) -> QuerySet[Any, Any]:
        """The values of these connections, in the order of the fields, and then ``more``."""
        return cls._annotated(connections).values_list(*COLUMNS, *more)

    @classmethod
    def unchanged(cls, connections: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        """Those whose key and schema in force are Parameters by these names, with less than
        ``items`` in them and ``items_in_all`` in all."""
        return cls._annotated(connections).filter(
            pk=parameter(ExternalConnection, "key=id"),
            schema_key=parameter(Schema, "schema_key=id"),
            schema_since=parameter(Schema, "schema_since=in_force_at"),
            items_here__lt=parameter(ItemTally, "items=created"),
            items_in_all__lt=parameter(ItemTally, "items_in_all=created"),
        )

    @classmethod
    def _annotated(cls, connections: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        in_force = Schema.objects.filter(connection=OuterRef("pk")).order_by("-version")
        return connections.annotate(
            schema_key=Subquery(in_force.values("pk")[:1]),
            schema_since=Subquery(in_force.values("in_force_at")[:1]),
            items_here=items_in(OuterRef("pk")),
            items_in_all=items_in(Value(EVERYTHING)),
        )

    @classmethod
    def of(cls, connection: ExternalConnection) -> Self:
        """As it is now. Raises ExternalConnection.DoesNotExist when it is being deleted."""
        found = ExternalConnection.objects.alive().filter(pk=connection.pk)
        row = cls.columns(found).first()
        if row is None:
            raise ExternalConnection.DoesNotExist
        return cls(*row)
