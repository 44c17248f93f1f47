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
from operations.api.edm.content import (
    CONNECTION_QUOTA,
    EXTERNAL_ACTIVITY,
    EXTERNAL_ACTIVITY_RESULT,
    EXTERNAL_GROUP,
    EXTERNAL_ITEM,
    IDENTITY,
)
from operations.api.edm.entities import (
    CONNECTION,
    CONNECTION_OPERATION,
    EXTERNAL,
    MODEL,
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
from operations.api.edm.roots import ENTITY

__all__ = [
    "CONNECTION",
    "CONNECTION_OPERATION",
    "CONNECTION_QUOTA",
    "ENTITY",
    "EXTERNAL",
    "EXTERNAL_ACTIVITY",
    "EXTERNAL_ACTIVITY_RESULT",
    "EXTERNAL_GROUP",
    "EXTERNAL_ITEM",
    "IDENTITY",
    "ITEM_ID_RESOLVER",
    "MODEL",
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
