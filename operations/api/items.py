"""``/connections/{id}/items`` (graph-contract 3.5): what Graph documents, and the list, the count
and the POST that its clients are generated with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, ingestion, logs, quota
from operations.api.answers import empty
from operations.api.entity_types import ITEM
from operations.api.query import Rows
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import GraphError, InvalidRequest, ItemNotFound, LimitExceeded
from operations.item_rules import item_id_fault, read_item
from operations.models import ExternalItem, ItemTally
from operations.models.container import Container
from operations.models.item_row import ItemMembers, ItemRow
from operations.models.item_writing import Written
from operations.odata.options import QueryOptions
from operations.preconditions import ALWAYS

NAVIGATION = "items"
#: Bytes of items in one page of a list, but for its first one: a page is kept in memory.
MOST_BYTES = 4_000_000


class ItemViewSet(GraphViewSet):
    family = access.ITEMS
    entity_type = ITEM

    def most_bytes(self) -> int:
        return settings.MAX_ITEM_BYTES

    def container(self, connection_id: str) -> Container:
        return access.find_container(self.caller, connection_id, to_write=not self.reads)

    def list(self, request: Request, connection_id: str) -> HttpResponse:
        found = self.container(connection_id)
        ingestion.require_readable(found)
        return self.collection(
            item_rows(found.key),
            partial(self.render.item, connection_id=found.graph_id),
            self.root.context_below(found.graph_id, NAVIGATION),
            self.root.url_below(found.graph_id, NAVIGATION),
        )

    def count(self, request: Request, connection_id: str) -> HttpResponse:
        found = self.container(connection_id)
        ingestion.require_readable(found)
        return self.count_of(item_rows(found.key))

    def create(self, request: Request, connection_id: str) -> HttpResponse:
        """Graph's clients have it and Graph says 404; here it creates, and does not replace."""
        found = self.container(connection_id)
        self.query_options()
        ingestion.require_changeable(found)
        values = self._read(found, None)
        graph_id = values.pop("id")

        def make() -> tuple[HttpResponse, ItemRow]:
            written = ingestion.create(found, graph_id, values, self.actor)
            item = ItemRow.written(written.key, written.version, graph_id, values)
            address = self.root.item_url(found.graph_id, graph_id)
            return self._written(found, item, status=201, headers={"Location": address}), item

        def show(key: int) -> HttpResponse:
            item = ExternalItem.objects.filter(pk=key).first()
            if item is None:  # gone since a moment ago
                raise ItemNotFound("ExternalItem")
            return self._shown(found, item)

        try:
            return self.once(make, show)
        except LimitExceeded:
            ingestion.settle(found, self.actor)
            raise

    def retrieve(self, request: Request, connection_id: str, item_id: str) -> HttpResponse:
        found = self.container(connection_id)
        ingestion.require_readable(found)
        options = self.query_options(ENTITY_OPTIONS)
        item = ingestion.find(found, item_id)
        seen = self.not_modified(item.etag, {"ETag": item.etag})
        return seen or self._shown(found, item, select=options.columns)

    def replace(self, request: Request, connection_id: str, item_id: str) -> HttpResponse:
        """PUT: 200 whether it was there or not, as Graph answers.

        Thousands come one after the other for one connection. What was seen of that is tried first,
        by one statement that looks whether all of it is still so; if not, or if something is to be
        refused, all is looked at as ever, and that says what is wrong.
        """
        seen = access.seen_container(connection_id)
        if seen and self.only_if is ALWAYS:
            unchanged = access.if_unchanged(self.caller, seen, *quota.plenty())
            unlooked = partial(ingestion.put_unlooked, if_unchanged=unchanged)
            with suppress(GraphError):
                if answer := self._replaced(seen, item_id, unlooked):
                    return answer
        put = partial(ingestion.put, only_if=self.only_if)
        answer = self._replaced(self.container(connection_id), item_id, put)
        assert answer is not None
        return answer

    def _replaced(
        self, found: Container, item_id: str, put: Callable[..., Written | None]
    ) -> HttpResponse | None:
        self.query_options()
        ingestion.require_changeable(found)
        if fault := item_id_fault(item_id):
            raise InvalidRequest([fault])
        values = self._read(found, item_id)
        written = put(found, item_id, values, self.actor)
        if written is None:
            return None
        logs.note(connection=found.graph_id)
        item = ItemRow.written(written.key, written.version, item_id, values)
        return self._written(found, item, status=200)

    def partial_update(self, request: Request, connection_id: str, item_id: str) -> HttpResponse:
        found = self.container(connection_id)
        self.query_options()
        ingestion.require_changeable(found)
        values = self._read(found, item_id, partial=True)
        item = ingestion.update(found, item_id, values, self.actor, only_if=self.only_if)
        return self._written(found, item, status=200)

    def destroy(self, request: Request, connection_id: str, item_id: str) -> HttpResponse:
        found = self.container(connection_id)
        self.query_options()
        ingestion.delete(found, item_id, self.actor, only_if=self.only_if)
        return empty(204)

    def _read(self, found: Container, item_id: str | None, *, partial: bool = False) -> Any:
        """The body's members, checked against the schema in force. Raises InvalidRequest."""
        values, faults = read_item(
            self.body(),
            ingestion.shape_of(found),
            graph_id=item_id,
            beta=self.root.beta,
            partial=partial,
        )
        if faults:
            raise InvalidRequest(faults)
        return values

    def _shown(
        self, found: Container, item: ItemMembers, *, select: tuple[str, ...] = ()
    ) -> HttpResponse:
        return self.entity(
            self.render.item(item, connection_id=found.graph_id),
            self.root.context_below(found.graph_id, NAVIGATION),
            select=select,
            headers={"ETag": item.etag},
        )

    def _written(
        self,
        found: Container,
        item: ItemMembers,
        *,
        status: int,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        return self.written(
            self.render.item(item, connection_id=found.graph_id),
            self.root.context_below(found.graph_id, NAVIGATION),
            status=status,
            headers={"ETag": item.etag, **(headers or {})},
        )


def item_rows(connection_key: int) -> Rows:
    """A page is looked up without the items themselves first, to see how many of them it holds."""

    def sizes() -> Any:
        return ExternalItem.objects.filter(connection=connection_key).only("graph_id", "size")

    def whole(rows: list[ExternalItem]) -> list[ExternalItem]:
        found = ExternalItem.objects.in_bulk([row.pk for row in rows])
        return [found[row.pk] for row in rows if row.pk in found]  # the others are gone since

    def fits(rows: list[ExternalItem]) -> int:
        total = 0
        for number, row in enumerate(rows):
            total += row.size
            if number and total > MOST_BYTES:
                return number
        return len(rows)

    def counted(options: QueryOptions) -> int | None:
        return ItemTally.objects.items(connection_key) if options.filter is None else None

    return Rows(sizes, fits=fits, whole=whole, counted=counted)
