"""May this be kept as an item, a group, a member or an activity. Pure; all faults at once.

Rules: ``externalItem``, ``acl``, ``externalItemContent``, ``externalActivity``, ``externalGroup``
and ``identity`` in ``microsoft.graph.externalConnectors``. ``words`` has their enumerations,
``ids`` the form of an id, ``values`` what a property of the schema may hold, ``items`` and
``people`` read what was sent. What Graph leaves open (which characters an id may have, how exact
a value must be) is our choice.
"""

from operations.item_rules.ids import MAX_ITEM_ID, item_id_fault, visible_id
from operations.item_rules.items import read_item
from operations.item_rules.people import read_activity, read_group, read_member
from operations.item_rules.reading import MAX_FAULTS
from operations.item_rules.values import Shape, moment_of
from operations.item_rules.words import (
    ACCESS_TYPES,
    ACL_TYPES,
    ACTIVITY_TYPES,
    CONTENT_TYPES,
    IDENTITY_SOURCES,
    IDENTITY_TYPES,
)

__all__ = [
    "ACCESS_TYPES",
    "ACL_TYPES",
    "ACTIVITY_TYPES",
    "CONTENT_TYPES",
    "IDENTITY_SOURCES",
    "IDENTITY_TYPES",
    "MAX_FAULTS",
    "MAX_ITEM_ID",
    "Shape",
    "item_id_fault",
    "moment_of",
    "read_activity",
    "read_group",
    "read_item",
    "read_member",
    "visible_id",
]
