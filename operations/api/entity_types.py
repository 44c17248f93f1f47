"""The allow-list of the query options: Graph's name -> column, one table a resource.

What is not here cannot be filtered or sorted by, whatever the models have. Names, types and
numbers are those of the data model (``api.edm``).
"""

from __future__ import annotations

from operations.api import edm
from operations.models.moves import ERROR_COLUMNS
from operations.odata.types import Complex, EntityType, Enumeration, Text


def _enumeration(column: str, prop: edm.Property, *, apart: bool = False) -> Enumeration:
    assert isinstance(prop.type, edm.EnumType)
    numbers = {member.name: member.value for member in prop.type.members}
    return Enumeration(column, type_name=prop.type_name, apart=apart, numbers=numbers)


def _not_expanded(*, beta: bool) -> tuple[str, ...]:
    return tuple(each.name for each in edm.CONNECTION.leads(beta=beta) if not each.expands)


_operation = edm.CONNECTION_OPERATION.properties
_connection = edm.CONNECTION.properties

SCHEMA = EntityType(edm.SCHEMA.full_name, edm.SCHEMA.members(), is_collection=False)
OPERATION = EntityType(
    edm.CONNECTION_OPERATION.full_name,
    edm.CONNECTION_OPERATION.members(),
    {
        "id": Text("graph_id"),
        "status": _enumeration("status", _operation["status"], apart=True),
        "error": Complex(
            edm.PUBLIC_ERROR.full_name, tuple(ERROR_COLUMNS), tuple(ERROR_COLUMNS.values())
        ),
        "error/code": Text("error_code", nullable=True, apart=True, long=True),
        "error/message": Text("error_message", nullable=True, apart=True, long=True),
        "error/target": Text("error_target", nullable=True, apart=True, long=True),
    },
)
_PROPERTIES = {
    "id": Text("graph_id", folded="lookup_id"),
    "name": Text("name"),
    "description": Text("description", nullable=True, long=True),
    "state": _enumeration("state", _connection["state"]),
    "connectorId": Text("connector_id", nullable=True, blank_is_null=True),
    "contentCategory": _enumeration("content_category", _connection["contentCategory"]),
}
_NAVIGATIONS = {"operations": OPERATION, "schema": SCHEMA}
CONNECTION = EntityType(
    edm.CONNECTION.full_name,
    edm.CONNECTION.members(),
    _PROPERTIES,
    _NAVIGATIONS,
    not_expanded=_not_expanded(beta=False),
)
BETA_CONNECTION = EntityType(
    edm.CONNECTION.full_name,
    edm.CONNECTION.members(beta=True),
    _PROPERTIES,
    _NAVIGATIONS,
    not_expanded=_not_expanded(beta=True),
)
ITEM = EntityType(
    edm.EXTERNAL_ITEM.full_name, edm.EXTERNAL_ITEM.members(), {"id": Text("graph_id")}
)
GROUP = EntityType(
    edm.EXTERNAL_GROUP.full_name,
    edm.EXTERNAL_GROUP.members(),
    {
        "id": Text("graph_id"),
        "displayName": Text("display_name", nullable=True, long=True),
    },
)
_identity = edm.IDENTITY.properties
MEMBER = EntityType(
    edm.IDENTITY.full_name,
    edm.IDENTITY.members(),
    {"id": Text("graph_id"), "type": _enumeration("kind", _identity["type"])},
)
QUOTA = EntityType(
    edm.CONNECTION_QUOTA.full_name, edm.CONNECTION_QUOTA.members(), is_collection=False
)
