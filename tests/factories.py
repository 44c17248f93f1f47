"""Plain factories: sensible defaults, keyword overrides, through the domain's own functions."""

from __future__ import annotations

import itertools
import uuid
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from operations import groups, ingestion, provisioning, registering
from operations.models import (
    ActivityType,
    Actor,
    Application,
    ConnectionOperation,
    ConnectionState,
    ExternalActivity,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    IdentityType,
    ItemTally,
    OperationStatus,
    OutcomeRule,
)
from operations.models.claim import Claim
from operations.models.container import Container
from operations.models.pace import overdue_at
from operations.roles import Role

COMMAND = Actor.command("tests")
WORKER = "test-worker"
EVERYONE = {"accessType": "grant", "type": "everyone", "value": "everyone"}
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_connection(graph_id: str | None = None, *, owner=None, **values) -> ExternalConnection:
    """A draft connection. ``owner`` is an Application or None."""
    number = next(_numbers)
    actor = Actor(COMMAND.kind, COMMAND.name, COMMAND.channel, owner.app_id if owner else None)
    state = values.pop("state", ConnectionState.DRAFT)
    connection = ExternalConnection.objects.register(
        actor,
        graph_id=graph_id or f"connection{number}",
        name=values.pop("name", f"Connection {number}"),
        **values,
    )
    if state != ConnectionState.DRAFT:
        ExternalConnection.objects.filter(pk=connection.pk).update(state=state)
        connection.refresh_from_db()
    return connection


def a_property(name: str = "title", **values) -> dict:
    return {"name": name, "type": "string", **values}


def a_schema(*properties: dict) -> dict:
    return {
        "baseType": "microsoft.graph.externalItem",
        "properties": list(properties)
        or [a_property("title", isSearchable=True, isRetrievable=True, labels=["title"])],
    }


def request_registration(connection, document=None, actor=COMMAND) -> ConnectionOperation:
    return provisioning.request_registration(connection, document or a_schema(), actor)


def claim(worker: str = WORKER) -> Claim | None:
    """One operation alone."""
    return next(iter(registering.claim(worker, 1)), None)


def finish(held: Claim) -> bool:
    """One operation alone. Returns whether it was ended."""
    return registering.finish([held]) == [held]


def work_off(worker: str = WORKER) -> int:
    """Do everything that waits, as ``run_operations --once`` does. Returns how many."""
    done = 0
    while held := registering.claim(worker):
        done += len(registering.finish(held))
    while (key := ExternalConnection.objects.next_deleting()) is not None:
        provisioning.purge_step(worker, key)
    return done


def register_schema(connection, document=None) -> ConnectionOperation:
    """A registration that completed."""
    operation = request_registration(connection, document)
    work_off()
    operation.refresh_from_db()
    connection.refresh_from_db()
    return operation


def fail_registration(connection, error=None, document=None) -> ConnectionOperation:
    """A registration that an OutcomeRule let fail."""
    OutcomeRule.objects.create(
        connection=connection, error=error or {"code": "Rehearsed", "message": "Rehearsed failure."}
    )
    operation = request_registration(connection, document)
    work_off()
    operation.refresh_from_db()
    return operation


def report(connection, actor=COMMAND, **values) -> ConnectionOperation:
    """An operation that another service reports; ``status`` may be a word."""
    status = values.pop("status", OperationStatus.INPROGRESS)
    if isinstance(status, str):
        status = OperationStatus.from_word(status)
    return ConnectionOperation.objects.report(connection, actor, status=status, **values)


def put_item(connection, graph_id: str = "one", *, actor=COMMAND, **members) -> ExternalItem:
    """An item that everyone may read, written as the API writes it."""
    values = {"acl": [EVERYONE], "properties": {"title": "A title"}, **members}
    written = ingestion.put(Container.of(connection), graph_id, values, actor)
    return ExternalItem.objects.get(pk=written.key)


def fill_items(connection, behind: int, *, first: int = 0, **values) -> None:
    """Items straight into the tables, and counted: from one number to the one before the other."""
    ExternalItem.objects.bulk_create(
        ExternalItem(
            connection=connection,
            graph_id=f"item{each:07}",
            **{"acl": [EVERYONE], "properties": {"title": f"Title {each}"}, "size": 100, **values},
        )
        for each in range(first, behind)
    )
    ItemTally.add(connection.pk, created=behind - first)


def make_group(connection, graph_id: str = "team", *members, **values) -> ExternalGroup:
    """``members`` are ids of external groups, or pairs of an id and a kind."""
    group = groups.create(connection.pk, COMMAND, graph_id=graph_id, **values)
    for member in members:
        name, kind = member if isinstance(member, tuple) else (member, IdentityType.EXTERNAL_GROUP)
        groups.add_member(group, COMMAND, graph_id=name, kind=kind)
    return group


def make_stuck(operation, ago: timedelta = timedelta(hours=2)) -> ConnectionOperation:
    """Let an operation in progress have begun so long ago that it counts as stuck."""
    begun = timezone.now() - ago
    ConnectionOperation.objects.filter(pk=operation.pk).update(
        created_at=begun, overdue_at=overdue_at(begun, operation.usual_seconds)
    )
    operation.refresh_from_db()
    return operation


def make_person(role: Role | None, name: str | None = None):
    """A user with that role; None for somebody who has none.

    The groups are made by a migration, and gone after a test that empties the tables.
    """
    name = name or (role.group if role else "nobody")
    user = get_user_model().objects.create_user(name, password=PASSWORD)
    if role:
        group, made = Group.objects.get_or_create(name=role.group)
        if made:
            ours = Permission.objects.filter(content_type__app_label="operations")
            lower = list(Role)[: list(Role).index(role) + 1]
            names = [other.permission.removeprefix("operations.") for other in lower]
            everything = role is Role.ADMINISTRATOR
            group.permissions.set(ours if everything else ours.filter(codename__in=names))
        user.groups.add(group)
    return user


def make_application(*roles: str, name: str | None = None) -> Application:
    """An application; its secret's text is ``application.secret_text``."""
    application, secret = Application.objects.register(
        COMMAND, name or f"app {uuid.uuid4().hex[:6]}", roles
    )
    application.secret_text = secret
    return application


def make_activity(item, **values) -> ExternalActivity:
    """Somebody has looked at an item."""
    return ExternalActivity.objects.create(
        **{
            "item": item,
            "kind": ActivityType.VIEWED,
            "started_at": timezone.now(),
            "performed_by": "alex",
            "performed_by_kind": IdentityType.USER,
            **values,
        }
    )
