"""The entity data model: the one declaration of every type, property and word that is served.

From it come ``$metadata``, the JSON schemas of ``/openapi.json`` and the lists of members that
answers and bodies may have. ``edm.CONNECTION.full_name`` is what ``@odata.type`` says of a
connection, ``edm.CONNECTION.properties["state"].type_name`` what it says of a member.
"""

from operations.api.edm.complex import (
    ITEM_ID_RESOLVER,
    PROPERTY,
    PUBLIC_ERROR,
    URL_TO_ITEM_RESOLVER_BASE,
)
from operations.api.edm.entities import (
    CONNECTION,
    CONNECTION_OPERATION,
    ENTITY,
    EXTERNAL,
    MODEL,
    NOT_SERVED,
    NOT_SERVED_BETA,
    SCHEMA,
)
from operations.api.edm.kinds import (
    ComplexType,
    EntityType,
    EnumType,
    Model,
    Navigation,
    Primitive,
    Property,
    StructuredType,
)

__all__ = [
    "CONNECTION",
    "CONNECTION_OPERATION",
    "ENTITY",
    "EXTERNAL",
    "ITEM_ID_RESOLVER",
    "MODEL",
    "NOT_SERVED",
    "NOT_SERVED_BETA",
    "PROPERTY",
    "PUBLIC_ERROR",
    "SCHEMA",
    "URL_TO_ITEM_RESOLVER_BASE",
    "ComplexType",
    "EntityType",
    "EnumType",
    "Model",
    "Navigation",
    "Primitive",
    "Property",
    "StructuredType",
]
