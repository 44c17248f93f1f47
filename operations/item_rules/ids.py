"""The id of an item, of a group and of a member: the caller's own, and part of an address."""

from __future__ import annotations

import re

from operations.errors import Fault

MAX_ITEM_ID = 128
#: HTTP clients take these segments out of an address before they send it (RFC 3986, 5.2.4).
DOT_SEGMENTS = (".", "..")

#: Controls, marks without a form, spaces that are none of the keyboard's, and spaces at the ends.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
    r"\ufff9-\ufffb]|^ +| +$|  +"
)
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


def visible_id(graph_id: str) -> str:
    """An id that can be seen whole: what leaves no mark, and what reorders others, is written as
    ``[U+202E]``, spaces only where they would be lost."""
    return _UNSEEN.sub(lambda found: "".join(f"[U+{ord(each):04X}]" for each in found[0]), graph_id)
