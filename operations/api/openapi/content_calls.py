"""The calls for what is in a connection: items, activities, groups, members, and the quota."""

from __future__ import annotations

from typing import Any

from operations.api import edm
from operations.api.activities import MOST, RESULT
from operations.api.openapi.calls import (
    BELOW,
    CHANGE_OPTIONS,
    CHANGES,
    COUNT_ANSWER,
    COUNT_OPTIONS,
    CREATE_OPTIONS,
    CREATED_HEADERS,
    CREATED_WITHOUT_BODY,
    DELETE_OPTIONS,
    LIST_OPTIONS,
    PLAIN,
    READ_OPTIONS,
    UNCHANGED,
    WITHOUT_BODY,
    Answer,
    Call,
    Table,
    entity,
    page,
    to_create,
    to_update,
)
from operations.api.openapi.schemas import Schema, body_schema, page_schema

ITEM = edm.EXTERNAL_ITEM
GROUP = edm.EXTERNAL_GROUP
MEMBER = edm.IDENTITY

AN_ENTRY = {"accessType": "grant", "type": "everyone", "value": "everyone"}
AN_ITEM: dict[str, Any] = {
    "acl": [AN_ENTRY],
    "properties": {"title": "Error in the payment gateway"},
    "content": {"type": "text", "value": "Payments fail with code 500 since this morning."},
}
A_GROUP = {"id": "31bea3d537902000", "displayName": "Contoso marketing"}
A_MEMBER = {"id": "e811976d-83df-4cbd-8b9b-5215b18aa874", "type": "user"}
AN_ACTIVITY = {
    "@odata.type": f"#{edm.EXTERNAL_ACTIVITY.full_name}",
    "type": "viewed",
    "startDateTime": "2026-05-04T20:11:12Z",
    "performedBy": A_MEMBER,
}
ENTITY_HEADERS = ("ETag", "Preference-Applied")
#: Of what has no tag.
UNTAGGED_OPTIONS = ("$select", "$format", "client-request-id")


def activities(beta: bool) -> Schema:
    """The parameters of the action."""
    activity = body_schema(edm.EXTERNAL_ACTIVITY, beta=beta, creates=True)
    return {
        "type": "object",
        "required": ["activities"],
        "properties": {
            "activities": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST,
                "description": f"1 to {MOST} of them.",
                "items": activity,
            }
        },
        "additionalProperties": False,
        "patternProperties": {"@": True},
    }


def results(beta: bool) -> Schema:
    return page_schema(edm.EXTERNAL_ACTIVITY_RESULT, beta=beta)


def no_activities(beta: bool) -> Schema:
    """They are never shown."""
    shape = page_schema(edm.EXTERNAL_ACTIVITY, beta=beta)
    shape["properties"]["value"]["maxItems"] = 0
    return shape


def _created(kind: edm.EntityType, sentence: str, *headers: str) -> Answer:
    return Answer(201, sentence, entity(kind), headers or CREATED_HEADERS)


def _list(name: str, summary: str, kind: edm.EntityType, *refusals: int) -> Call:
    sentence = "A page of them, in the order in which they came."
    return Call(
        "get",
        name,
        summary,
        (Answer(200, sentence, page(kind), ("Preference-Applied",)),),
        options=LIST_OPTIONS,
        refusals=(*BELOW, *refusals),
    )


def _count(name: str, summary: str, *refusals: int) -> tuple[Call]:
    return (
        Call(
            "get",
            name,
            summary,
            (COUNT_ANSWER,),
            options=COUNT_OPTIONS,
            refusals=(*BELOW, *refusals),
        ),
    )


def _add_activities(name: str, how: str) -> tuple[Call]:
    result = {
        "@odata.type": RESULT,
        **{member: value for member, value in AN_ACTIVITY.items() if "@" not in member},
        "error": None,
    }
    return (
        Call(
            "post",
            name,
            f"Tell what people did with an item{how}",
            (
                Answer(
                    200,
                    "All are kept; each has its result.",
                    results,
                    example={"value": [result]},
                ),
                Answer(207, "Some are not kept, and their results say why.", results),
            ),
            body=activities,
            example={"activities": [AN_ACTIVITY]},
            options=PLAIN,
            refusals=(*BELOW, 409, 413),
        ),
    )


_HERE = "/connections/{connection_id}"
_ITEM = f"{_HERE}/items/{{item_id}}"
_GROUP = f"{_HERE}/groups/{{group_id}}"

RESOURCES: Table = {
    f"{_HERE}/items": (
        _list("listItems", "List the items of a connection", ITEM, 409),
        Call(
            "post",
            "createItem",
            "Create an item; one that is there is not replaced",
            (_created(ITEM, "The item."), CREATED_WITHOUT_BODY),
            body=to_create(ITEM),
            example={"id": "TSP228082938", **AN_ITEM},
            options=CREATE_OPTIONS,
            refusals=(*BELOW, 409, 413),
        ),
    ),
    f"{_HERE}/items/$count": _count("countItems", "Count the items of a connection", 409),
    _ITEM: (
        Call(
            "get",
            "getItem",
            "Get an item",
            (Answer(200, "The item.", entity(ITEM), ENTITY_HEADERS), UNCHANGED),
            options=READ_OPTIONS,
            refusals=(*BELOW, 409, 412),
        ),
        Call(
            "put",
            "putItem",
            "Create an item, or replace all of the one with this id",
            (
                Answer(
                    200,
                    "The item, whether it was there before or not.",
                    entity(ITEM),
                    ENTITY_HEADERS,
                    example={"id": "TSP228082938", **AN_ITEM},
                ),
                WITHOUT_BODY,
            ),
            body=to_create(ITEM, keyed=True),
            example=AN_ITEM,
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
        Call(
            "patch",
            "updateItem",
            "Replace the members of an item that are given",
            (Answer(200, "The item.", entity(ITEM), ENTITY_HEADERS), WITHOUT_BODY),
            body=to_update(ITEM),
            example={"acl": [AN_ENTRY]},
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
        Call(
            "delete",
            "deleteItem",
            "Delete an item",
            (Answer(204, "It is gone."),),
            options=DELETE_OPTIONS,
            refusals=CHANGES,
        ),
    ),
    f"{_ITEM}/addActivities": _add_activities("addActivities", ""),
    f"{_ITEM}/microsoft.graph.externalConnectors.addActivities": _add_activities(
        "addActivitiesQualified", ", by the name that the SDKs use"
    ),
    f"{_ITEM}/activities": (
        Call(
            "get",
            "listActivities",
            "List the activities on an item, of which none are shown",
            (Answer(200, "An empty collection.", no_activities),),
            options=("$format", "client-request-id"),
            refusals=(*BELOW, 409),
        ),
    ),
    f"{_HERE}/groups": (
        _list("listGroups", "List the groups of a connection", GROUP),
        Call(
            "post",
            "createGroup",
            "Create a group",
            (_created(GROUP, "The group."), CREATED_WITHOUT_BODY),
            body=to_create(GROUP),
            example=A_GROUP,
            options=CREATE_OPTIONS,
            refusals=(*BELOW, 409, 413),
        ),
    ),
    f"{_HERE}/groups/$count": _count("countGroups", "Count the groups of a connection"),
    _GROUP: (
        Call(
            "get",
            "getGroup",
            "Get a group",
            (Answer(200, "The group.", entity(GROUP), ENTITY_HEADERS), UNCHANGED),
            options=READ_OPTIONS,
            refusals=(*BELOW, 412),
        ),
        Call(
            "patch",
            "updateGroup",
            "Change what is given of a group",
            (
                Answer(204, "It is changed.", headers=("ETag",)),
                Answer(200, "With `Prefer: return=representation`.", entity(GROUP), ENTITY_HEADERS),
            ),
            body=to_update(GROUP),
            example={"description": "Everybody in marketing"},
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
        Call(
            "delete",
            "deleteGroup",
            "Delete a group with its members",
            (Answer(204, "It is gone. Access lists that name it stay as they are."),),
            options=DELETE_OPTIONS,
            refusals=CHANGES,
        ),
    ),
    f"{_GROUP}/members": (
        _list("listMembers", "List the members of a group", MEMBER),
        Call(
            "post",
            "addMember",
            "Put an identity into a group",
            (
                _created(MEMBER, "The member.", "Location", "Preference-Applied"),
                Answer(
                    204,
                    WITHOUT_BODY.sentence,
                    headers=("Location", "OData-EntityId", "Preference-Applied"),
                ),
            ),
            body=to_create(MEMBER),
            example=A_MEMBER,
            options=CREATE_OPTIONS,
            refusals=(*BELOW, 409, 413),
        ),
    ),
    f"{_GROUP}/members/$count": _count("countMembers", "Count the members of a group"),
    f"{_GROUP}/members/{{member_id}}": (
        Call(
            "get",
            "getMember",
            "Get a member of a group",
            (Answer(200, "The member.", entity(MEMBER)),),
            options=UNTAGGED_OPTIONS,
            refusals=BELOW,
        ),
        Call(
            "delete",
            "removeMember",
            "Take an identity out of a group",
            (Answer(204, "It is out."),),
            options=PLAIN,
            refusals=(*BELOW, 409),
        ),
    ),
}
#: Graph has these on beta only.
ON_BETA: Table = {
    f"{_HERE}/quota": (
        Call(
            "get",
            "getQuota",
            "Get how many more items a connection may hold",
            (
                Answer(
                    200,
                    "The quota.",
                    entity(edm.CONNECTION_QUOTA),
                    example={"itemsRemaining": 7000},
                ),
            ),
            options=UNTAGGED_OPTIONS,
            refusals=BELOW,
        ),
    ),
}
