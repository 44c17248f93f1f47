"""``addActivities`` on an item, by both names of the action (graph-contract 3.5).

Graph shows no activities: the collection in which its clients would read them is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, ingestion, logs
from operations.api.entity_types import ITEM
from operations.api.representation import Json, key
from operations.api.views import GraphViewSet
from operations.errors import Fault, InvalidRequest, invalid, required, undeclared
from operations.item_rules import moment_of, read_activity
from operations.models import ActivityType, ExternalItem, IdentityType

#: How many one call may bring.
MOST = 20
RESULT = "#microsoft.graph.externalConnectors.externalActivityResult"


class ActivityViewSet(GraphViewSet):
    family = access.ITEMS
    entity_type = ITEM

    def list(self, request: Request, connection_id: str, item_id: str) -> HttpResponse:
        """Nothing: they are written only."""
        found = access.find_container(self.caller, connection_id, to_write=False)
        ingestion.require_readable(found)
        self.query_options()
        ingestion.require_item(found, item_id)
        path = f"{self.root.context_below(found.graph_id, 'items')}({key(item_id)})/activities"
        context = self.root.context(path, entity=False)
        return self.answer({"@odata.context": context, "value": []})

    def add(self, request: Request, connection_id: str, item_id: str) -> HttpResponse:
        """200, or 207 when some of the activities were not kept; each has its result."""
        found = access.find_container(self.caller, connection_id, to_write=True)
        self.query_options()
        ingestion.require_changeable(found)
        read = [
            read_activity(entry, f"activities/{number}")
            for number, entry in enumerate(_entries(self.body()))
        ]

        def make() -> tuple[HttpResponse, ExternalItem]:
            good = [_columns(values) for values, faults in read if not faults]
            item = ingestion.add_activities(found, item_id, good)
            logs.note(connection=found.graph_id)
            context = f"{self.root.url}/$metadata#Collection({RESULT.lstrip('#')})"
            results = [_result(values, faults) for values, faults in read]
            whole = len(good) == len(read)
            body = {"@odata.context": context, "value": results}
            return self.answer(body, 200 if whole else 207), item

        return self.once(make)


def _entries(document: Json) -> Sequence[Any]:
    """Raises InvalidRequest for what is no list of 1 to 20."""
    faults = [
        undeclared(name, ("activities",))
        for name in document
        if name != "activities" and "@" not in name
    ]
    entries = document.get("activities")
    if entries is None:
        faults.append(required("activities"))
    elif not isinstance(entries, list) or not 1 <= len(entries) <= MOST:
        faults.append(invalid("activities", f"must be a collection of 1 to {MOST} activities"))
    if faults:
        raise InvalidRequest(faults)
    assert isinstance(entries, list)
    return entries


def _columns(values: Json) -> Json:
    by = values["performedBy"]
    return {
        "kind": ActivityType.from_word(values["type"]),
        "started_at": moment_of(values["startDateTime"]),
        "performed_by": by["id"],
        "performed_by_kind": IdentityType.from_word(by["type"]),
    }


def _result(values: Json, faults: Sequence[Fault]) -> Json:
    """``externalActivityResult``: its error is null where the activity was kept, and a member is
    where it is wrong, so that no client reads a date that is none."""
    wrong = {name for fault in faults for name in (fault.target or "").split("/")[2:3]}
    names = ("startDateTime", "type", "performedBy")
    shown = {name: None if name in wrong else values.get(name) for name in names}
    return {"@odata.type": RESULT, **shown, "error": _error(faults) if faults else None}


def _error(faults: Sequence[Fault]) -> Json:
    refusal = InvalidRequest(faults)
    return {
        "code": refusal.code,
        "message": refusal.message,
        "target": refusal.target,
        "details": [
            {"code": fault.code, "message": fault.message, "target": fault.target}
            for fault in refusal.details
        ],
    }
