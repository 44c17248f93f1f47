"""The id of an item, of a group and of a member: the caller's own, and part of an address."""

from __future__ import annotations

import re

from operations.errors import Fault

MAX_ITEM_ID = 128
#: HTTP clients take these segments out of an address before they send it (RFC 3986, 5.2.4).
DOT_SEGMENTS = (".", "..")

_CANNOT_BE_STORED = re.compile("[\x00\ud800-\udfff]")


def item_id_fault(graph_id: str, target: str = "id") -> Fault | None:
    """What is wrong with an id, or None.

    Graph's page says alphanumeric, and real ids have hyphens, slashes and more: any character
    goes. Case counts, and so does the form, composed or decomposed.
    """
    if not 1 <= len(graph_id) <= MAX_ITEM_ID:
        rule = f"must be 1 to {MAX_ITEM_ID} characters, not {len(graph_id)}"
    elif graph_id in DOT_SEGMENTS:
        rule = f"must not be '{graph_id}': HTTP clients take it out of an address"
    elif _CANNOT_BE_STORED.search(graph_id):
        rule = "must not have a NUL character or half a surrogate pair"
    else:
        return None
    return Fault("InvalidIdentifier", f"Property '{target}' {rule}.", target)
