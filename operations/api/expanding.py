"""``$expand`` of a connection: its operations and its schema, in as many queries for a page of
connections as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, F, OuterRef, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from operations import provisioning
from operations.api.control import Level
from operations.api.filtering import mark, narrowed, order_by
from operations.api.query import next_link
from operations.api.rendering import Rendering
from operations.api.representation import Json, Root, pick
from operations.models import ConnectionOperation, ExternalConnection
from operations.odata.options import QueryOptions

#: How many operations of each connection are shown; the rest is behind a next link.
MAX_EXPANDED = 20


@dataclass(frozen=True)
class Expansion:
    """What ``$expand`` adds to the connections of one answer."""

    render: Rendering
    options: QueryOptions

    @property
    def root(self) -> Root:
        return self.render.root

    @property
    def with_context(self) -> bool:
        return self.render.format.level != Level.NONE

    def members(self, connections: Sequence[ExternalConnection]) -> list[Json]:
        """The members to add to each connection, in the same order."""
        added: list[Json] = [{} for _ in connections]
        for name, options in self.options.expand.items():
            read = self._operations if name == "operations" else self._schemas
            for document, members in zip(added, read(connections, options), strict=True):
                document |= members
        return added

    def _operations(
        self, connections: Sequence[ExternalConnection], options: QueryOptions
    ) -> list[Json]:
        """The newest operations of each, or the first ones in the order asked for."""
        all_rows = narrowed(
            ConnectionOperation.objects.filter(connection__in=connections), options.filter
        )
        size = min(options.top or MAX_EXPANDED, MAX_EXPANDED)
        last = options.skip + size + 1
        rows = all_rows.select_related("retry_of") if self.render.prefer.annotations else all_rows
        if options.filter is None and not options.order and not options.skip:
            rows = rows.filter(pk__in=_newest(connections, last))
        rows = (
            rows.defer("payload")
            .annotate(
                place=Window(
                    RowNumber(),
                    partition_by=F("connection_id"),
                    order_by=order_by(options.order, newest_first=True),
                )
            )
            .filter(place__gt=options.skip, place__lte=last)
            .order_by("place")
        )
        found: dict[int, list[ConnectionOperation]] = defaultdict(list)
        for row in rows:
            found[row.connection_id].append(row)
        counts: dict[int, int] = {}
        if options.count:
            of_each = all_rows.order_by().values("connection").annotate(number=Count("pk"))
            counts = dict(of_each.values_list("connection", "number"))
        return [
            self._operations_of(
                connection, found[connection.pk], size, options, counts.get(connection.pk, 0)
            )
            for connection in connections
        ]

    def _operations_of(
        self,
        connection: ExternalConnection,
        found: list[ConnectionOperation],
        size: int,
        options: QueryOptions,
        count: int,
    ) -> Json:
        path = self.root.context_below(connection.graph_id, "operations")
        members: Json = {}
        if self.with_context:
            members["operations@odata.context"] = self.root.context(
                path, options.columns, entity=False
            )
        if options.count:
            members["operations@odata.count"] = count
        if len(found) > size:
            members["operations@odata.nextLink"] = next_link(
                self.root.operations_url(connection),
                options,
                mark(found[size - 1], options.order),
            )
        del found[size:]
        for operation in found:
            operation.connection = connection
        members["operations"] = [
            pick(self.render.operation(operation), options.columns) for operation in found
        ]
        return members

    def _schemas(
        self, connections: Sequence[ExternalConnection], options: QueryOptions
    ) -> list[Json]:
        """The readable schema of each, null where there is none."""
        schemas = provisioning.readable_schemas(connections)
        result = []
        for connection in connections:
            schema = schemas.get(connection.pk)
            members: Json = {"schema": None}
            if schema is not None:
                shown = self.render.schema(schema, connection)
                members["schema"] = pick(shown, options.columns)
                if self.with_context:
                    path = self.root.context_below(connection.graph_id, "schema")
                    context = self.root.context(path, options.columns, entity=True)
                    members = {"schema@odata.context": context} | members
            result.append(members)
        return result


def _newest(connections: Sequence[ExternalConnection], number: int) -> list[int]:
    """Keys of the newest operations of each connection, at least this many where there are.

    A window function alone would read every operation there is. This finds the oldest one wanted
    of each connection in the index, and reads on from there.
    """
    of_one = ConnectionOperation.objects.filter(connection=OuterRef("pk")).order_by("-pk")
    oldest = Coalesce(Subquery(of_one.values("pk")[number - 1 : number]), 0)
    wanted = ExternalConnection.objects.filter(pk__in=[row.pk for row in connections])
    found = wanted.filter(operations__pk__gte=oldest).order_by()
    return list(found.values_list("operations__pk", flat=True))
