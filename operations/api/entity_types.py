"""The allow-list of the query options: Graph's name -> column and type, one table a resource.

What is not here cannot be filtered or sorted by, whatever the models have.
"""

from __future__ import annotations

from operations.api.representation import (
    BETA_CONNECTION_MEMBERS,
    CONNECTION_MEMBERS,
    OPERATION_MEMBERS,
    SCHEMA_MEMBERS,
)
from operations.models import ConnectionState, ContentCategory, OperationStatus
from operations.models.enums import GraphEnum
from operations.models.moves import ERROR_COLUMNS
from operations.odata.types import Complex, EntityType, Enumeration, Text

NAMESPACE = "microsoft.graph.externalConnectors"


def _enumeration(column: str, name: str, members: type[GraphEnum]) -> Enumeration:
    numbers = {member.word: int(member) for member in members}
    return Enumeration(column, type_name=f"{NAMESPACE}.{name}", numbers=numbers)


SCHEMA = EntityType(f"{NAMESPACE}.schema", SCHEMA_MEMBERS, is_collection=False)
OPERATION = EntityType(
    f"{NAMESPACE}.connectionOperation",
    OPERATION_MEMBERS,
    {
        "id": Text("graph_id"),
        "status": _enumeration("status", "connectionOperationStatus", OperationStatus),
        "error": Complex(
            "microsoft.graph.publicError", tuple(ERROR_COLUMNS), tuple(ERROR_COLUMNS.values())
        ),
        "error/code": Text("error_code", nullable=True, long=True),
        "error/message": Text("error_message", nullable=True, long=True),
        "error/target": Text("error_target", nullable=True, long=True),
    },
)
_PROPERTIES = {
    "id": Text("graph_id", folded="lookup_id"),
    "name": Text("name"),
    "description": Text("description", nullable=True, long=True),
    "state": _enumeration("state", "connectionState", ConnectionState),
    "connectorId": Text("connector_id", nullable=True, blank_is_null=True),
    "contentCategory": _enumeration("content_category", "contentCategory", ContentCategory),
}
_NAVIGATIONS = {"operations": OPERATION, "schema": SCHEMA}
CONNECTION = EntityType(
    f"{NAMESPACE}.externalConnection",
    CONNECTION_MEMBERS,
    _PROPERTIES,
    _NAVIGATIONS,
    not_expanded=("groups", "items"),
)
BETA_CONNECTION = EntityType(
    CONNECTION.name,
    BETA_CONNECTION_MEMBERS,
    _PROPERTIES,
    _NAVIGATIONS,
    not_expanded=("groups", "items", "quota"),
)
