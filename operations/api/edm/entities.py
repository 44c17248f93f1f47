"""The entity types that are served, and the container that holds them (graph-contract 1, 2).

Names, types and nullability are those of Graph's published metadata; the sentences are ours. What
a connection holds is declared in ``edm.content``.
"""

from __future__ import annotations

from operations.api.edm import complex as parts
from operations.api.edm import content, enums
from operations.api.edm.kinds import Container, EntityType, Model, Navigation, Property
from operations.api.edm.roots import ENTITY
from operations.models import ContentCategory
from operations.models.connection import CONNECTION_ID, MAX_CONNECTOR_ID, MAX_NAME
from operations.models.operation_id import OPERATION_ID
from operations.schema_rules import MAX_PROPERTIES

CONNECTION_OPERATION = EntityType(
    name="connectionOperation",
    base=ENTITY,
    description="A piece of asynchronous work on a connection, such as registering its schema, "
    "and how it went. Its id is an opaque text.",
    own=(
        parts.text(
            name="id",
            description="The operation's key: opaque, exact in the case of its letters; a GUID "
            "unless the caller that created the operation gave another.",
            nullable=False,
            max_length=128,
            pattern=f"^{OPERATION_ID.pattern}$",
        ),
        Property(
            name="status", type=enums.OPERATION_STATUS, description="How far the work has come."
        ),
        Property(
            name="error",
            type=parts.PUBLIC_ERROR,
            description="Why the work failed; null unless the status is failed.",
        ),
    ),
)

SCHEMA = EntityType(
    name="schema",
    base=ENTITY,
    description="The properties that the items of a connection have. There is one to a "
    "connection, so its id is never shown.",
    own=(
        parts.text(
            name="baseType",
            description="What the properties are those of: microsoft.graph.externalItem.",
            nullable=False,
            required=True,
        ),
        Property(
            name="properties",
            type=parts.PROPERTY,
            collection=True,
            required=True,
            max_items=MAX_PROPERTIES,
            description="The properties, 1 to 128; an update names all of them.",
        ),
    ),
)

# Connection --------------------------------------------------------------------------------------

CONNECTION = EntityType(
    name="externalConnection",
    base=ENTITY,
    description="A container into which a company brings content of its own for search. Its id "
    "is 3 to 32 letters and digits and given by who creates it.",
    own=(
        parts.text(
            name="id",
            description="The connection's key: 3 to 32 letters and digits, not reserved, found "
            "without regard to case; it never changes.",
            nullable=False,
            required=True,
            max_length=32,
            pattern=f"^{CONNECTION_ID.pattern}$",
        ),
        parts.text(
            name="name", description="The name that people see.", required=True, max_length=MAX_NAME
        ),
        parts.text(name="description", description="What the connection brings in."),
        Property(
            name="state",
            type=enums.CONNECTION_STATE,
            computed=True,
            description="What the connection is ready for.",
        ),
        Property(
            name="configuration",
            type=parts.CONFIGURATION,
            description="Who may manage the connection besides its owner.",
        ),
        Property(
            name="activitySettings",
            type=parts.ACTIVITY_SETTINGS,
            description="How activities on pages are ascribed to items.",
        ),
        Property(
            name="searchSettings",
            type=parts.SEARCH_SETTINGS,
            description="How results of the connection are shown.",
        ),
        parts.text(
            name="connectorId",
            description="The Teams application that the connection was enabled from.",
            max_length=MAX_CONNECTOR_ID,
        ),
        Property(
            name="contentCategory",
            type=enums.CONTENT_CATEGORY,
            nullable=False,
            default=ContentCategory.UNCATEGORIZED.word,
            description="What kind of content the connection brings in.",
        ),
        Property(
            name="complianceSettings",
            type=parts.COMPLIANCE_SETTINGS,
            beta=True,
            description="How results of the connection are shown in compliance searches.",
        ),
        Property(
            name="enabledContentExperiences",
            type=enums.CONTENT_EXPERIENCE,
            beta=True,
            description="Where the content may appear.",
        ),
        Property(
            name="ingestedItemsCount",
            type=parts.INT64,
            beta=True,
            computed=True,
            description="How many items the connection holds; null while it is a draft.",
        ),
    ),
    own_navigation=(
        Navigation(
            name="operations",
            type=CONNECTION_OPERATION,
            expands=True,
            description="The asynchronous work on the connection, newest first.",
        ),
        Navigation(
            name="schema",
            type=SCHEMA,
            collection=False,
            expands=True,
            description="The properties that the connection's items have.",
        ),
        Navigation(
            name="items",
            type=content.EXTERNAL_ITEM,
            description="The content of the connection.",
        ),
        Navigation(
            name="groups",
            type=content.EXTERNAL_GROUP,
            description="Groups that access lists of the items may name.",
        ),
        Navigation(
            name="quota",
            type=content.CONNECTION_QUOTA,
            collection=False,
            beta=True,
            description="How much more the connection may hold.",
        ),
    ),
)
EXTERNAL = EntityType(
    name="external",
    description="What belongs to systems outside of Microsoft 365.",
    own_navigation=(
        Navigation(
            name="connections",
            type=CONNECTION,
            description="The connections that the caller may see.",
        ),
    ),
)

MODEL = Model(
    types=(
        enums.OPERATION_STATUS,
        enums.CONNECTION_STATE,
        enums.CONTENT_CATEGORY,
        enums.CONTENT_EXPERIENCE,
        enums.PROPERTY_TYPE,
        enums.LABEL,
        enums.IMPORTANCE_SCORE,
        enums.RULE_OPERATION,
        enums.BINARY_OPERATOR,
        parts.PUBLIC_ERROR_DETAIL,
        parts.PUBLIC_INNER_ERROR,
        parts.PUBLIC_ERROR,
        parts.CONFIGURATION,
        parts.URL_MATCH_INFO,
        parts.URL_TO_ITEM_RESOLVER_BASE,
        parts.ITEM_ID_RESOLVER,
        parts.ACTIVITY_SETTINGS,
        parts.JSON,
        parts.PROPERTY_RULE,
        parts.DISPLAY_TEMPLATE,
        parts.SEARCH_SETTINGS,
        parts.COMPLIANCE_SETTINGS,
        parts.RANKING_HINT,
        parts.PROPERTY,
        ENTITY,
        CONNECTION_OPERATION,
        SCHEMA,
        *content.TYPES,
        CONNECTION,
        EXTERNAL,
    ),
    actions=(content.ADD_ACTIVITIES,),
    container=Container(
        name="GraphService",
        description="What can be addressed from the version root.",
        entity_sets={"connections": (CONNECTION, "The connections that the caller may see.")},
        singletons={
            "external": (EXTERNAL, "The way to the same connections that Graph documents.")
        },
    ),
)
