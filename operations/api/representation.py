"""Model -> Graph JSON. camelCase and ``@odata`` live here and in ``reading``, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from operations.api import edm
from operations.models import (
    ConnectionOperation,
    ConnectionState,
    ContentCategory,
    ExternalConnection,
    ItemTally,
)
from operations.models.item_row import ItemMembers
from operations.models.operation_row import OperationMembers
from operations.schema_rules import (
    BETA_MEMBERS,
    LABELS_ABOVE_SENTINEL,
    SENTINEL,
    TYPES_ABOVE_SENTINEL,
)

Json = dict[str, Any]

#: What answers show, bodies may have and ``$select`` may name.
OPERATION_MEMBERS = edm.CONNECTION_OPERATION.members()
CONNECTION_MEMBERS = edm.CONNECTION.members()
BETA_CONNECTION_MEMBERS = edm.CONNECTION.members(beta=True)


@dataclass(frozen=True)
class Root:
    """How the caller came in: server address, Graph version, and whether through ``/external``."""

    server: str
    version: str
    external: bool

    @property
    def url(self) -> str:
        return f"{self.server}/{self.version}"

    @property
    def beta(self) -> bool:
        return self.version == "beta"

    @property
    def connections(self) -> str:
        """The entity set as the caller addressed it."""
        return "external/connections" if self.external else "connections"

    def connection_url(self, graph_id: str) -> str:
        return f"{self.url}/{self.connections}('{graph_id}')"

    def operation_url(self, connection: ExternalConnection, graph_id: str) -> str:
        """The created operation, with its key in parentheses: published middlewares follow any
        Location that contains ``/operations/`` and wait for it to end."""
        return f"{self.connection_url(connection.graph_id)}/operations('{graph_id}')"

    def operations_url(self, connection: ExternalConnection) -> str:
        """The collection, as next links have it."""
        return f"{self.url}/{self.connections}/{connection.graph_id}/operations"

    def url_below(self, connection_id: str, navigation: str) -> str:
        """A collection, as next links have it."""
        return f"{self.url}/{self.connections}/{connection_id}/{navigation}"

    def item_url(self, connection_id: str, graph_id: str) -> str:
        return f"{self.connection_url(connection_id)}/items({key(graph_id)})"

    def group_url(self, connection_id: str, graph_id: str) -> str:
        return f"{self.connection_url(connection_id)}/groups({key(graph_id)})"

    def member_url(self, connection_id: str, group_id: str, graph_id: str) -> str:
        return f"{self.group_url(connection_id, group_id)}/members({key(graph_id)})"

    def members_url(self, connection_id: str, group_id: str) -> str:
        """The collection, as next links have it."""
        group = quote(group_id, safe="")
        return f"{self.url_below(connection_id, 'groups')}/{group}/members"

    def long_running_url(self, operation: ConnectionOperation) -> str:
        """The Location of a 202: always under /external and with keys as segments, as Graph's."""
        connection_id = operation.connection.graph_id
        return f"{self.url}/external/connections/{connection_id}/operations/{operation.graph_id}"

    def context(self, path: str, select: Sequence[str] = (), *, entity: bool) -> str:
        """``@odata.context``: ``path`` is the collection below ``$metadata#``."""
        columns = f"({','.join(select)})" if select else ""
        return f"{self.url}/$metadata#{path}{columns}{'/$entity' if entity else ''}"

    def context_below(self, connection_id: str, navigation: str) -> str:
        """The context path of what a connection contains; always under external, as Graph's."""
        return f"external/connections('{connection_id}')/{navigation}"

    def context_of_members(self, connection_id: str, group_id: str) -> str:
        return f"{self.context_below(connection_id, 'groups')}({key(group_id)})/members"


def key(graph_id: str) -> str:
    """An id of any characters as a key in parentheses (OData 4.01 URL conventions, 4.3.1)."""
    return f"'{quote(graph_id.replace(chr(39), 2 * chr(39)), safe='')}'"


def operation_json(operation: OperationMembers) -> Json:
    """``microsoft.graph.externalConnectors.connectionOperation``."""
    return operation.graph()


def item_json(item: ItemMembers, *, beta: bool) -> Json:
    """``microsoft.graph.externalConnectors.externalItem``; v1.0 does not show where an identity is
    known."""
    document = item.graph()
    if not beta:
        document["acl"] = [
            {name: value for name, value in entry.items() if name != "identitySource"}
            for entry in document["acl"]
        ]
    return document


def connection_json(connection: ExternalConnection, root: Root) -> Json:
    """``microsoft.graph.externalConnectors.externalConnection``."""
    document: Json = {
        "id": connection.graph_id,
        "name": connection.name,
        "description": connection.description,
        "state": ConnectionState(connection.state).word,
        "configuration": {
            "authorizedAppIds": [str(app_id) for app_id in connection.authorized_app_ids],
            **connection.open_configuration,
        },
        "activitySettings": connection.activity_settings,
        "searchSettings": connection.search_settings,
        "connectorId": connection.connector_id or None,
        "contentCategory": ContentCategory(connection.content_category).word,
    }
    if root.beta:
        document |= {
            "complianceSettings": connection.compliance_settings,
            "enabledContentExperiences": connection.enabled_content_experiences or None,
            "ingestedItemsCount": _ingested(connection),
        }
    return document


def _ingested(connection: ExternalConnection) -> int | None:
    if connection.state == ConnectionState.DRAFT:
        return None
    known: int | None = getattr(connection, "item_count", None)  # of a list, looked up with it
    return ItemTally.objects.items(connection.pk) if known is None else known


def schema_json(document: Json, root: Root, *, unmask: bool) -> Json:
    """``microsoft.graph.externalConnectors.schema``.

    Members of an enumeration above its sentinel read ``unknownFutureValue`` unless the caller
    prefers to see them (graph-contract 2.7); v1.0 does not show beta attributes.
    """
    return {
        "baseType": document["baseType"],
        "properties": [
            _property_json(prop, beta=root.beta, unmask=unmask) for prop in document["properties"]
        ],
    }


def _property_json(prop: Json, *, beta: bool, unmask: bool) -> Json:
    shown = {key: value for key, value in prop.items() if beta or key not in BETA_MEMBERS}
    if beta:
        shown = {"isExactMatchRequired": None, "rankingHint": None} | shown
    if not unmask:
        shown["labels"] = [
            SENTINEL if label in LABELS_ABOVE_SENTINEL else label for label in prop["labels"]
        ]
        if prop["type"] in TYPES_ABOVE_SENTINEL:
            shown["type"] = SENTINEL
    return shown


def pick(document: Json, select: Sequence[str]) -> Json:
    """Only the selected members and the annotations, in the entity's own order.

    Expanded members (``operations()``, with ``operations@odata.nextLink`` and the like) stay
    whatever is selected; where nothing else is named, so does all the rest.
    """
    if all(column.endswith(")") for column in select):
        return document
    names = {"", *(column.partition("(")[0] for column in select)}
    return {key: value for key, value in document.items() if key.partition("@")[0] in names}
