"""The complex types: what stands inside of an entity (graph-contract 2).

Names, types and nullability are those of Graph's published metadata; the sentences are ours.
"""

from __future__ import annotations

from functools import partial

from operations.api.edm.enums import (
    BINARY_OPERATOR,
    IMPORTANCE_SCORE,
    LABEL,
    PROPERTY_TYPE,
    RULE_OPERATION,
)
from operations.api.edm.kinds import GRAPH, ComplexType, Primitive, Property
from operations.public_error import MAX_CODE
from operations.schema_rules import MAX_DESCRIPTION, NAME

STRING = Primitive(name="String")
BOOLEAN = Primitive(name="Boolean")
INT32 = Primitive(name="Int32")
INT64 = Primitive(name="Int64")

text = partial(Property, type=STRING)
flag = partial(Property, type=BOOLEAN)

# Errors ------------------------------------------------------------------------------------------

_CODE = text(name="code", description="A word for the kind of error, for programs to compare.")
_MESSAGE = text(name="message", description="What went wrong, for developers; never translated.")
_TARGET = text(
    name="target", description="The property, parameter or part that the error is about."
)

PUBLIC_ERROR_DETAIL = ComplexType(
    name="publicErrorDetail",
    namespace=GRAPH,
    description="One of several distinct problems behind an error.",
    own=(_CODE, _MESSAGE, _TARGET),
)
_DETAILS = Property(
    name="details",
    type=PUBLIC_ERROR_DETAIL,
    collection=True,
    description="Distinct problems that together make the error.",
)
PUBLIC_INNER_ERROR = ComplexType(
    name="publicInnerError",
    namespace=GRAPH,
    is_open=True,
    description="A more specific error inside an error; it may carry members of its own.",
    own=(_CODE, _MESSAGE, _TARGET, _DETAILS),
)
PUBLIC_ERROR = ComplexType(
    name="publicError",
    namespace=GRAPH,
    description="Why something failed. Only the members that were given are there.",
    own=(
        text(name=_CODE.name, description=_CODE.description, max_length=MAX_CODE),
        _MESSAGE,
        _TARGET,
        _DETAILS,
        Property(
            name="innerError",
            type=PUBLIC_INNER_ERROR,
            description="A more specific error than this one.",
        ),
    ),
)

# Parts of a connection ---------------------------------------------------------------------------

CONFIGURATION = ComplexType(
    name="configuration",
    is_open=True,
    description="Who may manage a connection besides the application that created it.",
    own=(
        text(
            name="authorizedAppIds",
            description="Client ids of the applications that may do all that the owner may.",
            collection=True,
        ),
    ),
)
URL_MATCH_INFO = ComplexType(
    name="urlMatchInfo",
    description="Which addresses a resolver understands.",
    own=(
        text(name="baseUrls", description="What an address may begin with.", collection=True),
        text(
            name="urlPattern",
            description="A regular expression (ECMAScript) with named groups that the rest of the "
            "address must match.",
        ),
    ),
)
URL_TO_ITEM_RESOLVER_BASE = ComplexType(
    name="urlToItemResolverBase",
    is_abstract=True,
    description="A way from the address of a page to the item that it shows.",
    own=(
        Property(
            name="priority",
            type=INT32,
            description="The order in which resolvers are tried, lowest first.",
        ),
    ),
)
ITEM_ID_RESOLVER = ComplexType(
    name="itemIdResolver",
    base=URL_TO_ITEM_RESOLVER_BASE,
    description="A resolver that builds an item's id out of the parts of an address.",
    own=(
        text(
            name="itemId",
            description="The item's id, with {group} where a named group of the pattern belongs.",
            nullable=False,
        ),
        Property(
            name="urlMatchInfo",
            type=URL_MATCH_INFO,
            description="Which addresses the resolver understands.",
        ),
    ),
)
ACTIVITY_SETTINGS = ComplexType(
    name="activitySettings",
    description="How activities on pages are ascribed to items.",
    own=(
        Property(
            name="urlToItemResolvers",
            type=URL_TO_ITEM_RESOLVER_BASE,
            collection=True,
            description="Ways from an address to an item.",
        ),
    ),
)
JSON = ComplexType(
    name="Json",
    namespace=GRAPH,
    is_open=True,
    description="Any JSON object.",
)
PROPERTY_RULE = ComplexType(
    name="propertyRule",
    description="A condition on a property of an item.",
    own=(
        text(name="property", description="The name of the schema's property.", nullable=False),
        Property(
            name="operation",
            type=RULE_OPERATION,
            nullable=False,
            description="How the property is compared.",
        ),
        text(
            name="values", description="What it is compared with.", collection=True, nullable=False
        ),
        Property(
            name="valuesJoinedBy",
            type=BINARY_OPERATOR,
            nullable=False,
            description="Whether one of the values is enough or all must fit.",
        ),
    ),
)
MAX_TEMPLATES = 2
DISPLAY_TEMPLATE = ComplexType(
    name="displayTemplate",
    description="How a result that fits its rules is laid out.",
    own=(
        text(
            name="id",
            description="The template's name within the connection: letters and digits.",
            nullable=False,
            max_length=16,
            pattern="^[A-Za-z0-9]{1,16}$",
        ),
        Property(
            name="priority",
            type=INT32,
            nullable=False,
            description="The order in which templates are tried, lowest first.",
        ),
        Property(
            name="layout", type=JSON, nullable=False, description="The layout, an Adaptive Card."
        ),
        Property(
            name="rules",
            type=PROPERTY_RULE,
            collection=True,
            description="Conditions that a result must fulfil for this template.",
        ),
    ),
)
SEARCH_SETTINGS = ComplexType(
    name="searchSettings",
    description="How results of a connection are shown.",
    own=(
        Property(
            name="searchResultTemplates",
            type=DISPLAY_TEMPLATE,
            collection=True,
            max_items=MAX_TEMPLATES,
            description="Layouts of results, at most two.",
        ),
    ),
)
COMPLIANCE_SETTINGS = ComplexType(
    name="complianceSettings",
    beta=True,
    description="How results of a connection are shown in searches for compliance purposes.",
    own=(
        Property(
            name="eDiscoveryResultTemplates",
            type=DISPLAY_TEMPLATE,
            collection=True,
            description="Layouts of results in eDiscovery.",
        ),
    ),
)

# Schema ------------------------------------------------------------------------------------------

RANKING_HINT = ComplexType(
    name="rankingHint",
    beta=True,
    description="What ranking should know of a property.",
    own=(
        Property(
            name="importanceScore",
            type=IMPORTANCE_SCORE,
            description="How much the property counts.",
        ),
    ),
)


PROPERTY = ComplexType(
    name="property",
    description="A property that the items of a connection have.",
    own=(
        text(
            name="name",
            description="The property's name, unique in the schema; it never changes.",
            nullable=False,
            required=True,
            max_length=32,
            pattern=f"^{NAME.pattern}$",
        ),
        Property(
            name="type",
            type=PROPERTY_TYPE,
            nullable=False,
            required=True,
            description="What values it holds; it never changes.",
        ),
        text(
            name="description",
            description="What the property means, in words.",
            max_length=MAX_DESCRIPTION,
        ),
        text(name="aliases", description="Other names that queries may use.", collection=True),
        Property(
            name="labels",
            type=LABEL,
            collection=True,
            description="What the property means to search; each label belongs to one property.",
        ),
        flag(
            name="isSearchable", description="Whether full-text search looks into it (texts only)."
        ),
        flag(name="isQueryable", description="Whether a query may name it."),
        flag(
            name="isRetrievable",
            description="Whether results may carry it; a labelled property must.",
        ),
        flag(
            name="isRefinable",
            description="Whether results can be narrowed by it; not together with isSearchable.",
        ),
        flag(
            name="isExactMatchRequired",
            description="Whether only the whole value matches (texts that are not searchable).",
            beta=True,
        ),
        Property(
            name="rankingHint",
            type=RANKING_HINT,
            beta=True,
            description="What ranking should know of the property.",
        ),
    ),
)
