"""What is in a connection: items, the people who may read them, and how many there may be
(graph-contract 2.5, 2.6).

Names, types and nullability are those of Graph's published metadata; the sentences are ours.
"""

from __future__ import annotations

from operations.api.edm.complex import INT64, PUBLIC_ERROR, text
from operations.api.edm.enums import numbered
from operations.api.edm.kinds import (
    Action,
    ComplexType,
    EntityType,
    EnumType,
    Navigation,
    Primitive,
    Property,
)
from operations.api.edm.roots import ENTITY
from operations.item_rules import (
    ACCESS_TYPES,
    ACL_TYPES,
    ACTIVITY_TYPES,
    CONTENT_TYPES,
    IDENTITY_SOURCES,
    IDENTITY_TYPES,
    MAX_ITEM_ID,
)

DATE_TIME_OFFSET = Primitive(name="DateTimeOffset")

ACCESS_TYPE = EnumType(
    name="accessType",
    description="Whether an entry of an access list lets in or keeps out; the latter wins.",
    members=numbered(
        ACCESS_TYPES, {"grant": "May read the item.", "deny": "May not, whatever else is granted."}
    ),
)
ACL_TYPE = EnumType(
    name="aclType",
    description="Whom an entry of an access list is about.",
    members=numbered(
        ACL_TYPES,
        {
            "user": "One person, by the object id in Entra.",
            "group": "The members of a group of Entra, by its object id.",
            "everyone": "Everybody in the tenant.",
            "everyoneExceptGuests": "Everybody in the tenant who is no guest.",
            "externalGroup": "The members of a group of this connection.",
        },
    ),
)
IDENTITY_SOURCE = EnumType(
    name="identitySourceType",
    beta=True,
    description="Where an identity is known.",
    members=numbered(
        IDENTITY_SOURCES,
        {"azureActiveDirectory": "In Entra.", "external": "In the system that is connected."},
    ),
)
CONTENT_TYPE = EnumType(
    name="externalItemContentType",
    description="What the content of an item is written in.",
    members=numbered(CONTENT_TYPES, {"text": "Plain text.", "html": "HTML."}),
)
IDENTITY_TYPE = EnumType(
    name="identityType",
    description="What kind of identity it is.",
    members=numbered(
        IDENTITY_TYPES,
        {
            "user": "A person, by the object id in Entra.",
            "group": "A group of Entra, by its object id.",
            "externalGroup": "A group of the same connection, by its id.",
        },
    ),
)
ACTIVITY_TYPE = EnumType(
    name="externalActivityType",
    description="What somebody did with an item.",
    members=numbered(
        ACTIVITY_TYPES,
        {
            "viewed": "Looked at it.",
            "modified": "Changed it.",
            "created": "Made it.",
            "commented": "Wrote a comment on it.",
        },
    ),
)
ACL = ComplexType(
    name="acl",
    description="An entry of an item's access list.",
    own=(
        Property(
            name="accessType",
            type=ACCESS_TYPE,
            nullable=False,
            required=True,
            description="Whether it lets in or keeps out.",
        ),
        Property(
            name="type",
            type=ACL_TYPE,
            nullable=False,
            required=True,
            description="Whom it is about.",
        ),
        text(
            name="value",
            description="The id of whom it is about; for everyone, the tenant's id or any text.",
            nullable=False,
            required=True,
        ),
        Property(
            name="identitySource",
            type=IDENTITY_SOURCE,
            beta=True,
            description="Where that id is known.",
        ),
    ),
)
CONTENT = ComplexType(
    name="externalItemContent",
    description="The text of an item, which searches look into.",
    own=(
        Property(
            name="type",
            type=CONTENT_TYPE,
            nullable=False,
            required=True,
            description="What it is written in.",
        ),
        text(name="value", description="The text."),
    ),
)
PROTECTION_LABEL = ComplexType(
    name="informationProtectionLabel",
    description="How confidential an item is.",
    own=(text(name="sensitivityLabelId", description="The id of the sensitivity label."),),
)
PRINCIPAL = ComplexType(
    name="principal",
    is_open=False,
    description="A person or group, as the value of a property.",
    own=tuple(
        text(name=name, description=description)
        for name, description in (
            ("email", "A mail address."),
            ("entraDisplayName", "The display name in Entra."),
            ("entraId", "The object id in Entra."),
            ("externalId", "The id in the system that is connected."),
            ("externalName", "The name there."),
            ("tenantId", "The id of the tenant."),
            ("upn", "The user principal name."),
        )
    ),
)
PROPERTIES = ComplexType(
    name="properties",
    is_open=True,
    open_to=(PRINCIPAL,),
    description="The values of the schema's properties, by their names. A collection has its type "
    "beside it: `tags@odata.type` is `Collection(String)`.",
)

_ID = text(
    name="id",
    description="The key: 1 to 128 characters, exact in their case, given by who creates it. In an "
    "address it is percent-encoded.",
    nullable=False,
    required=True,
    max_length=MAX_ITEM_ID,
)
IDENTITY = EntityType(
    name="identity",
    base=ENTITY,
    description="A person or group: a member of an external group, or who did something.",
    own=(
        _ID,
        Property(name="type", type=IDENTITY_TYPE, required=True, description="What kind it is."),
    ),
)
EXTERNAL_GROUP = EntityType(
    name="externalGroup",
    base=ENTITY,
    description="A group of the system that is connected, which access lists may name.",
    own=(
        _ID,
        text(name="displayName", description="The name that people see."),
        text(name="description", description="What the group is."),
    ),
    own_navigation=(
        Navigation(
            name="members",
            type=IDENTITY,
            description="Who belongs to it; groups may stand in groups.",
        ),
    ),
)
_ACTIVITY_MEMBERS = (
    Property(
        name="startDateTime",
        type=DATE_TIME_OFFSET,
        nullable=False,
        required=True,
        description="When it was done.",
    ),
    Property(
        name="type",
        type=ACTIVITY_TYPE,
        nullable=False,
        required=True,
        description="What was done.",
    ),
)
EXTERNAL_ACTIVITY = EntityType(
    name="externalActivity",
    base=ENTITY,
    description="What somebody did with an item in the system that is connected.",
    own=_ACTIVITY_MEMBERS,
    own_navigation=(
        Navigation(
            name="performedBy",
            type=IDENTITY,
            collection=False,
            inline=True,
            description="Who did it.",
        ),
    ),
)
EXTERNAL_ACTIVITY_RESULT = EntityType(
    name="externalActivityResult",
    base=EXTERNAL_ACTIVITY,
    shows_faults=True,
    description="What has become of one activity that was added.",
    own=(
        Property(
            name="error",
            type=PUBLIC_ERROR,
            description="Why it was not kept; null where it was.",
        ),
    ),
)
EXTERNAL_ITEM = EntityType(
    name="externalItem",
    base=ENTITY,
    description="A piece of content, and who may read it.",
    own=(
        _ID,
        Property(
            name="acl",
            type=ACL,
            collection=True,
            required=True,
            description="Who may read it. With an empty list nobody may.",
        ),
        Property(
            name="properties",
            type=PROPERTIES,
            required=True,
            description="The values of the schema's properties, one at least.",
        ),
        Property(name="content", type=CONTENT, description="Its text."),
        Property(
            name="informationProtectionLabel",
            type=PROTECTION_LABEL,
            description="How confidential it is.",
        ),
    ),
    own_navigation=(
        Navigation(
            name="activities",
            type=EXTERNAL_ACTIVITY,
            description="What people did with it. Written with addActivities, never shown.",
        ),
    ),
)
ADD_ACTIVITIES = Action(
    name="addActivities",
    description="Tells what people did with an item; each activity has its own result.",
    of=EXTERNAL_ITEM,
    takes={"activities": EXTERNAL_ACTIVITY},
    returns=EXTERNAL_ACTIVITY_RESULT,
)
CONNECTION_QUOTA = EntityType(
    name="connectionQuota",
    base=ENTITY,
    beta=True,
    description="How much more a connection may hold.",
    own=(
        Property(
            name="itemsRemaining",
            type=INT64,
            computed=True,
            description="How many more items: the smaller of what is left in the connection and "
            "what is left in all of them together.",
        ),
    ),
)
#: Each declared before what uses it.
TYPES = (
    ACCESS_TYPE,
    ACL_TYPE,
    IDENTITY_SOURCE,
    CONTENT_TYPE,
    IDENTITY_TYPE,
    ACTIVITY_TYPE,
    ACL,
    CONTENT,
    PROTECTION_LABEL,
    PRINCIPAL,
    PROPERTIES,
    IDENTITY,
    EXTERNAL_GROUP,
    EXTERNAL_ACTIVITY,
    EXTERNAL_ACTIVITY_RESULT,
    EXTERNAL_ITEM,
    CONNECTION_QUOTA,
)
