"""External groups and their members: who stands behind an access list (graph-contract 3.6).

Every change is recorded, for it decides who may read. A group may be a member of another, and of
itself by any number of steps: whoever walks through them remembers where he has been.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from operations.errors import InvalidStateTransition, ItemNotFound, NameAlreadyExists
from operations.item_rules import item_id_fault
from operations.models import (
    Action,
    Actor,
    Change,
    ConnectionState,
    ExternalConnection,
    ExternalGroup,
    GroupMember,
    IdentityType,
)
from operations.models.inserting import insert
from operations.preconditions import ALWAYS, Precondition


def find(connection_key: int, graph_id: str) -> ExternalGroup:
    """The group with exactly this id. Raises ItemNotFound."""
    group = None
    if not item_id_fault(graph_id):  # not every text of an address can be looked up
        group = ExternalGroup.objects.filter(connection=connection_key, graph_id=graph_id).first()
    if group is None:
        raise ItemNotFound("ExternalGroup")
    return group


def find_member(group: ExternalGroup, graph_id: str) -> GroupMember:
    """The member with exactly this id. Raises ItemNotFound."""
    member = None if item_id_fault(graph_id) else group.members.filter(graph_id=graph_id).first()
    if member is None:
        raise ItemNotFound("Identity")
    return member


def create(connection_key: int, actor: Actor, *, graph_id: str, **values: Any) -> ExternalGroup:
    """Create a group.

    Raises NameAlreadyExists when there is one with this id, ItemNotFound when the connection is
    gone, InvalidStateTransition when it is obsolete.
    """
    with transaction.atomic():
        connection = _hold(connection_key)
        group = ExternalGroup(connection=connection, graph_id=graph_id, **values)
        group.changed_at = group.created_at
        if not insert(group, unless=("connection", "graph_id")):
            raise NameAlreadyExists(
                f"Connection '{connection.graph_id}' has a group with the id '{graph_id}' already.",
                target="id",
            )
        _record(actor, Action.GROUP_CREATED, group, after=group.snapshot())
    return group


def update(
    group: ExternalGroup, actor: Actor, *, only_if: Precondition = ALWAYS, **values: Any
) -> ExternalGroup:
    """Set the members given. Nothing is recorded where nothing changes. Raises what ``create``
    raises, and PreconditionFailed."""
    with transaction.atomic():
        current = _locked(group)
        only_if.check(current.etag)
        before = current.snapshot()
        for name, value in values.items():
            setattr(current, name, value)
        after = current.snapshot()
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            current.save(update_fields=[*values, "changed_at"])
            _record(
                actor,
                Action.GROUP_UPDATED,
                current,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
    return current


def delete(group: ExternalGroup, actor: Actor, *, only_if: Precondition = ALWAYS) -> None:
    """Delete a group with its members. Access lists that name it stay as they are."""
    with transaction.atomic():
        current = _locked(group)
        only_if.check(current.etag)
        members = current.members.count()
        _record(
            actor,
            Action.GROUP_DELETED,
            current,
            before={**current.snapshot(), "members": members},
        )
        current.members.all()._raw_delete("default")
        current.delete()


def add_member(
    group: ExternalGroup, actor: Actor, *, graph_id: str, kind: IdentityType
) -> GroupMember:
    """Put an identity into a group. Raises NameAlreadyExists when it is there already."""
    with transaction.atomic():
        current = _locked(group)
        member = GroupMember(group=current, graph_id=graph_id, kind=kind)
        if not insert(member, unless=("group", "graph_id")):
            raise NameAlreadyExists(
                f"Group '{current.graph_id}' has a member with the id '{graph_id}' already.",
                target="id",
            )
        _record(actor, Action.MEMBER_ADDED, current, after=member.graph())
    return member


def remove_member(member: GroupMember, actor: Actor) -> None:
    """Take an identity out of its group. Raises ItemNotFound when it has left meanwhile."""
    with transaction.atomic():
        current = _locked(member.group)
        if not GroupMember.objects.filter(pk=member.pk)._raw_delete("default"):
            raise ItemNotFound("Identity")
        _record(actor, Action.MEMBER_REMOVED, current, before=member.graph())


def reached_from(connection_key: int, graph_ids: Iterable[str], most: int = 1000) -> set[str]:
    """The ids of the external groups that these are or lead to, however they are nested: so many
    at the most. Cycles end where they began."""
    begin = list(dict.fromkeys(graph_ids))[:most]
    if not begin:
        return set()
    database = connections[DEFAULT_DB_ALIAS]
    is_postgres = database.vendor == "postgresql"
    given = '%s::text COLLATE "C"' if is_postgres else "%s"
    member = 'member.graph_id::text COLLATE "C"' if is_postgres else "member.graph_id"
    values = ", ".join(f"({given})" for _ in begin)
    with database.cursor() as cursor:
        cursor.execute(
            _REACHED.format(values=values, member=member),
            [*begin, connection_key, IdentityType.EXTERNAL_GROUP.value, most],
        )
        return {graph_id for (graph_id,) in cursor.fetchall()}


#: In one statement, however deep they are nested. UNION keeps what is reached twice from going on.
_REACHED = """
    WITH RECURSIVE reached (graph_id) AS (
        VALUES {values}
        UNION
        SELECT {member}
        FROM reached
        JOIN operations_externalgroup held
            ON held.connection_id = %s AND held.graph_id = reached.graph_id
        JOIN operations_groupmember member ON member.group_id = held.id AND member.kind = %s
    )
    SELECT graph_id FROM reached LIMIT %s
"""


def _hold(connection_key: int) -> ExternalConnection:
    if not ExternalConnection.objects.hold(connection_key, shared=True):
        raise ItemNotFound("Connection")
    connection = ExternalConnection.objects.only("graph_id", "state").get(pk=connection_key)
    if connection.state == ConnectionState.OBSOLETE:
        raise InvalidStateTransition(
            f"Connection '{connection.graph_id}' is obsolete. In this state it can only be read "
            "and deleted.",
            target="state",
            state="obsolete",
        )
    return connection


def _locked(group: ExternalGroup) -> ExternalGroup:
    connection = _hold(group.connection_id)
    current = ExternalGroup.objects.select_for_update().filter(pk=group.pk).first()
    if current is None:
        raise ItemNotFound("ExternalGroup")
    current.connection = connection
    return current


def _record(actor: Actor, action: Action, group: ExternalGroup, **about: Any) -> None:
    Change.record(actor, action, connection=group.connection, subject=group.graph_id[:200], **about)
