"""The enumerations of items, groups and activities, with Graph's numbers.

The sentinel is among them, for the model of the data lists it. Nobody may send it.
"""

from __future__ import annotations

from operations.schema_rules import SENTINEL

Words = dict[str, int]

ACCESS_TYPES: Words = {"grant": 1, "deny": 2, SENTINEL: 3}
ACL_TYPES: Words = {
    "user": 1,
    "group": 2,
    "everyone": 3,
    "everyoneExceptGuests": 4,
    "externalGroup": 5,
    SENTINEL: 6,
}
CONTENT_TYPES: Words = {"text": 1, "html": 2, SENTINEL: 3}
ACTIVITY_TYPES: Words = {"viewed": 1, "modified": 2, "created": 3, "commented": 4, SENTINEL: 5}
#: identityType: a member of a group, and who did something.
IDENTITY_TYPES: Words = {"user": 1, "group": 2, "externalGroup": 3, SENTINEL: 4}
#: identitySourceType, beta.
IDENTITY_SOURCES: Words = {"azureActiveDirectory": 1, "external": 2, SENTINEL: 3}


def canonical(text: str, words: Words) -> str | None:
    """The word as Graph writes it; connectors take words in any case. Also finds the sentinel."""
    if text in words:
        return text
    folded = text.casefold()
    return next((word for word in words if word.casefold() == folded), None)
