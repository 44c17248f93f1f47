"""Puts items, groups and activities into the connections of the demo, as a service would."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from operations import groups, ingestion, quota
from operations.demo.contents import CONTENTS, Entry
from operations.item_rules import read_item
from operations.models import Actor, ActorKind, Channel, ConnectionState, ExternalConnection
from operations.models.container import Container
from operations.models.enums import GraphEnum
from operations.models.group import IdentityType


def fill(connection: ExternalConnection, owner: UUID | None, now: datetime) -> tuple[int, int]:
    """Make what is in this connection, which keeps its state. Returns how many items and groups;
    none where the limits leave no room for a demo."""
    contents = CONTENTS.get(connection.graph_id)
    if contents is None:
        return 0, 0
    if quota.room(connection.pk).items <= len(contents.items):
        return 0, 0
    service = Actor(ActorKind.APPLICATION, contents.by, Channel.API, owner)
    this = ExternalConnection.objects.filter(pk=connection.pk)
    this.update(state=ConnectionState.READY)
    found = Container.of(connection)
    for entry in contents.items:
        ingestion.put(found, entry.graph_id, _read(entry, found, now), service)
        activities = [_activity(*activity, now) for activity in entry.activities]
        ingestion.add_activities(found, entry.graph_id, activities)
    for group in contents.groups:
        made = groups.create(
            found.key,
            service,
            graph_id=group.graph_id,
            display_name=group.name,
            description=group.description,
        )
        for kind, identity in group.members:
            groups.add_member(made, service, graph_id=identity, kind=kind)
    this.update(state=connection.state)
    return len(contents.items), len(contents.groups)


def _read(entry: Entry, found: Container, now: datetime) -> dict[str, Any]:
    """The item as if it had been sent. The demo obeys the rules that it demonstrates."""
    document: dict[str, Any] = {"acl": entry.acl, "properties": dict(entry.properties)}
    if entry.modified is not None:
        at = now - timedelta(hours=entry.modified)
        document["properties"]["lastModified"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    if entry.text or entry.html:
        kind = "html" if entry.html else "text"
        document["content"] = {"type": kind, "value": entry.html or entry.text}
    if entry.label:
        document["informationProtectionLabel"] = {"sensitivityLabelId": entry.label}
    values, faults = read_item(document, ingestion.shape_of(found), graph_id=entry.graph_id)
    if faults:
        raise ValueError(faults)
    return values


def _activity(kind: GraphEnum, person: str, hours: float, now: datetime) -> dict[str, Any]:
    return {
        "kind": kind,
        "started_at": now - timedelta(hours=hours),
        "performed_by": person,
        "performed_by_kind": IdentityType.USER,
    }
