"""Finding what an address names, and what to offer when it names nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.dashboard.keyset import MAX_KEY
from operations.models import (
    Action,
    Application,
    BulkRun,
    Change,
    ConnectionOperation,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    WorkerHeartbeat,
)
from operations.models.connection import CONNECTION_ID
from operations.models.health import Health, health
from operations.models.item_tally import EVERYTHING, items_in
from operations.models.operation_id import OPERATION_ID

NEAR = 5
DECISIONS = (
    Action.OPERATION_COMPLETED,
    Action.OPERATION_FAILED,
    Action.OPERATION_ACKNOWLEDGED,
    Action.OPERATION_SUPERSEDED,
)


def guid(text: str) -> UUID | None:
    """A GUID as people write it, with hyphens, in any case; None for anything else."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


class ConnectionNotFound(Http404):
    """No connection has this id; ``near`` are ids that begin alike."""

    def __init__(self, graph_id: str):
        super().__init__(_("There is no connection with the id '%(id)s'.") % {"id": graph_id})
        self.near = list(
            ExternalConnection.objects.filter(lookup_id__startswith=graph_id.lower()[:3])
            .order_by("lookup_id")
            .values_list("graph_id", flat=True)[:NEAR]
            if CONNECTION_ID.fullmatch(graph_id)
            else ()
        )


class OperationNotFound(Http404):
    """The connection has no such operation; ``near`` are ids that begin alike.

    ``connection`` is its id as it is written, empty if there is no such connection either.
    """

    def __init__(self, connection_id: str, operation_id: str):
        super().__init__(
            _("Connection '%(connection)s' has no operation with the id '%(operation)s'.")
            % {"connection": connection_id, "operation": operation_id}
        )
        self.connection = ""
        self.near: list[str] = []
        if CONNECTION_ID.fullmatch(connection_id) and OPERATION_ID.fullmatch(operation_id):
            connections = ExternalConnection.objects.filter(lookup_id=connection_id.lower())
            self.connection = connections.values_list("graph_id", flat=True).first() or ""
            alike = ConnectionOperation.objects.filter(
                connection__lookup_id=connection_id.lower(), graph_id__startswith=operation_id[:3]
            )
            self.near = list(alike.order_by("-id").values_list("graph_id", flat=True)[:NEAR])


def application_name(field: str = "app_id") -> Coalesce:
    """The name of the application whose id a field holds; empty for one that nobody registered."""
    named = Application.objects.filter(app_id=OuterRef(field)).order_by().values("name")[:1]
    return Coalesce(Subquery(named), Value(""))


def find_connection(graph_id: str) -> tuple[ExternalConnection, Health]:
    """The connection with this id, in any case of letters, and its health.

    It comes with ``owner_name``, ``item_count``, ``items_in_all`` and ``has_groups``. One that is
    being deleted as well. Raises ConnectionNotFound.
    """
    found = None
    if CONNECTION_ID.fullmatch(graph_id):
        rows: QuerySet = ExternalConnection.objects.annotate(
            health=health(timezone.now()),
            owner_name=application_name("owner_app_id"),
            item_count=items_in(OuterRef("pk")),
            items_in_all=items_in(Value(EVERYTHING)),
            has_groups=Exists(ExternalGroup.objects.filter(connection=OuterRef("pk"))),
        )
        found = rows.filter(lookup_id=graph_id.lower()).first()
    if found is None:
        raise ConnectionNotFound(graph_id)
    return found, Health(found.health)


def find_item(connection_id: str, key: int, rows: QuerySet[ExternalItem]) -> ExternalItem:
    """The item of the connection that has this key, out of ``rows``, with its connection."""
    found = _with_key(connection_id, key, rows)
    if found is None:
        raise Http404(
            _("Connection '%(id)s' has no item with the number %(key)s.")
            % {"id": connection_id, "key": key}
        )
    return found


def find_group(connection_id: str, key: int, rows: QuerySet[ExternalGroup]) -> ExternalGroup:
    """The group of the connection that has this key, out of ``rows``, with its connection."""
    found = _with_key(connection_id, key, rows)
    if found is None:
        raise Http404(
            _("Connection '%(id)s' has no group with the number %(key)s.")
            % {"id": connection_id, "key": key}
        )
    return found


def _with_key(connection_id: str, key: int, rows: QuerySet) -> Any:
    if not CONNECTION_ID.fullmatch(connection_id) or key > MAX_KEY:
        return None
    below = rows.select_related("connection")
    return below.filter(pk=key, connection__lookup_id=connection_id.lower()).first()


def find_operation(connection_id: str, operation_id: str) -> ConnectionOperation:
    """The operation, with its connection and its neighbours in a chain of retries."""
    found = None
    if CONNECTION_ID.fullmatch(connection_id) and OPERATION_ID.fullmatch(operation_id):
        found = (
            ConnectionOperation.objects.select_related(
                "connection", "retry_of", "registered_schema"
            )
            .filter(connection__lookup_id=connection_id.lower(), graph_id=operation_id)
            .first()
        )
    if found is None:
        raise OperationNotFound(connection_id, operation_id)
    return found


def last_decision(operation: ConnectionOperation) -> Change | None:
    """The change that ended the operation, or settled its failure."""
    settled = Change.objects.filter(operation_key=operation.pk, action__in=DECISIONS)
    return settled.order_by("-id").first()


def find_run(run_id: UUID) -> BulkRun:
    found = BulkRun.objects.filter(run_id=run_id).first()
    if found is None:
        raise Http404(_("There is no action on many with the id '%(id)s'.") % {"id": run_id})
    return found


def newest_heartbeat() -> WorkerHeartbeat | None:
    """That of the worker that was heard of last."""
    return WorkerHeartbeat.objects.order_by("-seen_at").first()
