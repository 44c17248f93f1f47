"""What is in a connection: items, written by other services, with the activities on them.

Which call a connection's state allows is said here (graph-contract 2.3), for the API, the pages and
the admin alike. The items themselves are the record of who wrote them last; what is done by hand
has a Change as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import QuerySet
from django.utils import timezone

from operations import quota
from operations.errors import (
    GraphError,
    InvalidStateTransition,
    ItemNotFound,
    LimitExceeded,
    NameAlreadyExists,
    RequestTooLarge,
)
from operations.item_rules import Shape, item_id_fault
from operations.models import (
    Action,
    Actor,
    Change,
    ConnectionState,
    ExternalActivity,
    ExternalConnection,
    ExternalItem,
    ItemTally,
    Limit,
    Schema,
)
from operations.models.container import Container
from operations.models.item import columns_of, size_of, written_by
from operations.models.item_row import COLUMNS, LABEL, ItemRow
from operations.models.item_writing import Written, write
from operations.models.json_text import as_text
from operations.models.prepared import Prepared, Statement, parameter
from operations.preconditions import ALWAYS, Precondition

#: States in which an item may be read, changed or deleted, and created.
READABLE = (ConnectionState.READY, ConnectionState.OBSOLETE, ConnectionState.LIMIT_EXCEEDED)
CHANGEABLE = (ConnectionState.READY, ConnectionState.LIMIT_EXCEEDED)
CREATABLE = (ConnectionState.READY,)
#: Characters that the record of a hand edit keeps of one value, and how many values.
KEPT_OF_A_VALUE = 2000
VALUES_KEPT = 300


def require_readable(container: Container) -> None:
    """Raise InvalidStateTransition where the state lets nobody read items."""
    if container.state not in READABLE:
        raise _not_in_this_state(container, "read", READABLE)


def require_changeable(container: Container) -> None:
    """Raise InvalidStateTransition where the state lets nobody write or delete items."""
    if container.state not in CHANGEABLE:
        raise _not_in_this_state(container, "written or deleted", CHANGEABLE)


def _not_in_this_state(
    container: Container, done: str, allowed: Sequence[ConnectionState]
) -> InvalidStateTransition:
    word = ConnectionState.word_of(container.state)
    states = "', '".join(each.word for each in allowed)
    hint = " Register a schema first." if container.state == ConnectionState.DRAFT else ""
    return InvalidStateTransition(
        f"Connection '{container.graph_id}' is in state '{word}'. Its items can be {done} in state "
        f"'{states}'.{hint}",
        target="state",
        state=word,
    )


def shape_of(container: Container) -> Shape:
    """What the schema in force says of the properties. Raises InvalidStateTransition where there is
    none."""
    if container.schema_key is None:
        raise InvalidStateTransition(
            f"Connection '{container.graph_id}' has no schema in force. Register one before its "
            "items are written.",
            target="state",
            state=ConnectionState.word_of(container.state),
        )
    try:
        return _shape(container.schema_key, container.schema_since)
    except Schema.DoesNotExist:  # gone with its connection since that was looked up
        raise ItemNotFound("Connection") from None


@lru_cache(maxsize=256)
def _shape(schema_key: int, since: Any) -> Shape:
    """``since`` tells apart what has come in the place of a schema that is gone."""
    return Shape.of(Schema.objects.get(pk=schema_key).document)


# Items -------------------------------------------------------------------------------------------


def with_id(container: Container, graph_id: str) -> QuerySet[ExternalItem]:
    """The item with exactly this id, or none. Not every text of an address can be looked up."""
    if item_id_fault(graph_id):
        return ExternalItem.objects.none()
    return ExternalItem.objects.filter(connection=container.key, graph_id=graph_id)


def _shown() -> Any:
    of = {name: parameter(ExternalItem, name) for name in ("connection", "graph_id")}
    return ExternalItem.objects.filter(**of).order_by().values_list(*COLUMNS)


_SHOWN = Prepared[Any](_shown)


def find(container: Container, graph_id: str) -> ItemRow:
    """What is shown of the item with this id. Raises ItemNotFound."""
    rows = (
        []
        if item_id_fault(graph_id)
        else _SHOWN.tuples(connection=container.key, graph_id=graph_id)
    )
    if not rows:
        raise ItemNotFound("ExternalItem")
    return ItemRow._make(rows[0])


def require_item(container: Container, graph_id: str) -> None:
    """Raise ItemNotFound unless there is an item with this id."""
    if not with_id(container, graph_id).exists():
        raise ItemNotFound("ExternalItem")


def put(
    container: Container,
    graph_id: str,
    values: dict[str, Any],
    actor: Actor,
    *,
    only_if: Precondition = ALWAYS,
) -> Written:
    """Create an item, or replace the one with this id, all of it (graph-contract 3.5).

    Raises ItemNotFound when the connection is gone, InvalidStateTransition when its state forbids
    it, LimitExceeded when there is no room for another one, PreconditionFailed when the item is not
    what ``only_if`` names.
    """
    require_changeable(container)
    columns = _columns(graph_id, values, actor)
    plenty = quota.is_plenty(container.items, container.items_in_all)
    if container.state in CREATABLE and plenty and only_if is ALWAYS:
        written = write(container.key, columns, CREATABLE)
        if written:
            return written
    return _put_carefully(container, columns, actor, only_if)


def put_unlooked(
    seen: Container,
    graph_id: str,
    values: dict[str, Any],
    actor: Actor,
    *,
    if_unchanged: Statement,
) -> Written | None:
    """``put`` for one who has not looked at the connection now: the write does, and None says that
    it has done nothing, for whatever reason. Raises RequestTooLarge.

    ``if_unchanged`` looks up the key of what was seen, if all of it is still so.
    """
    return write(seen.key, _columns(graph_id, values, actor), CREATABLE, only_if=if_unchanged)


def create(container: Container, graph_id: str, values: dict[str, Any], actor: Actor) -> Written:
    """Create an item. Raises NameAlreadyExists when there is one with this id, and what ``put``
    raises."""
    require_changeable(container)
    columns = _columns(graph_id, values, actor)
    return _put_carefully(container, columns, actor, ALWAYS, new=True)


def update(
    container: Container,
    graph_id: str,
    values: dict[str, Any],
    actor: Actor,
    *,
    only_if: Precondition = ALWAYS,
) -> ExternalItem:
    """Replace the members given of an item and leave the others.

    Raises ItemNotFound, InvalidStateTransition and PreconditionFailed as ``put`` does.
    """
    require_changeable(container)
    with transaction.atomic():
        _hold(container, shared=True)
        item = _locked(container, graph_id)
        only_if.check(item.etag)
        whole = {"acl": item.acl, "properties": item.properties, "content": item.content}
        whole |= {LABEL: item.label, **values}
        written = write(container.key, _columns(graph_id, whole, actor), CHANGEABLE)
        if written is None:  # a lock that others share lets in a new state, and a deletion
            raise _changed_since(container)
        item.refresh_from_db()
    return item


def delete(
    container: Container, graph_id: str, actor: Actor, *, only_if: Precondition = ALWAYS
) -> None:
    """Delete an item and the activities on it; a limit that held the connection may let it go.

    Raises ItemNotFound, InvalidStateTransition and PreconditionFailed as ``put`` does.
    """
    require_changeable(container)
    with transaction.atomic():
        _hold(container, shared=not container.limited_by)
        item = _locked(container, graph_id)
        only_if.check(item.etag)
        remove_rows(container.key, [item.pk])
        if container.limited_by:
            found = ExternalConnection.objects.get(pk=container.key)
            quota.settle(found, actor, quota.room(container.key))


def remove_rows(connection_key: int, keys: Sequence[int]) -> None:
    """Delete items of a connection with the activities on them, and count them. Call it in a
    transaction that has locked them or their connection."""
    ExternalActivity.objects.filter(item__in=keys)._raw_delete(DEFAULT_DB_ALIAS)
    gone = ExternalItem.objects.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)
    ItemTally.add(connection_key, deleted=gone)


def _columns(graph_id: str, values: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """All columns of an item with these members; those that are not given have no value."""
    columns: dict[str, Any] = {"graph_id": graph_id, "changed_at": timezone.now()}
    columns |= columns_of({"content": None, LABEL: None, **values}) | written_by(actor)
    columns["size"] = size = size_of(columns)
    if size > settings.MAX_ITEM_BYTES:  # numbers can be longer than they were sent
        raise RequestTooLarge(settings.MAX_ITEM_BYTES, "item")
    return columns


def _put_carefully(
    container: Container,
    columns: dict[str, Any],
    actor: Actor,
    only_if: Precondition,
    *,
    new: bool = False,
) -> Written:
    """With a look at what is there, and at the room that there is. Creates take turns here; those
    that just write do not, and who was overtaken by one of them looks again."""
    while True:
        try:
            return _put_after_a_look(container, columns, actor, only_if, new=new)
        except _Overtaken:
            pass


class _Overtaken(Exception):
    """The item was not there, and then somebody else created it."""


def _put_after_a_look(
    container: Container, columns: dict[str, Any], actor: Actor, only_if: Precondition, *, new: bool
) -> Written:
    refusal = written = None
    with transaction.atomic():
        current = _alone(container)
        there = ExternalItem.objects.filter(connection=current, graph_id=columns["graph_id"])
        item = there.only("id", "version").select_for_update(no_key=True).first()
        if new and item:
            raise NameAlreadyExists(
                f"Connection '{container.graph_id}' has an item with the id "
                f"'{columns['graph_id']}' already.",
                target="id",
            )
        only_if.check(item.etag if item else "")
        left = None if item else quota.room_alone(container.key)
        if left:
            quota.settle(current, actor, left)
        if left and current.state not in CREATABLE:
            refusal = _no_room(current)  # its state stays as it is now
        else:
            written = write(container.key, columns, CHANGEABLE)
            assert written is not None, "the connection was locked in a state that allows it"
            if left and not written.created:
                raise _Overtaken
            if left:
                quota.settle(current, actor, left._replace(items=left.items - 1))
    if refusal:
        raise refusal
    assert written is not None
    return written


def settle(container: Container, actor: Actor) -> None:
    """Bring a connection into the state that its room means. Raises what ``create`` raises.

    For one whose refused create was undone, and the new state with it.
    """
    with transaction.atomic():
        quota.settle(_alone(container), actor, quota.room_alone(container.key))


def _alone(container: Container) -> ExternalConnection:
    """The connection, locked, in a state in which items may be changed."""
    found = ExternalConnection.objects.alive().select_for_update(no_key=True)
    current = found.filter(pk=container.key).first()
    if current is None:
        raise ItemNotFound("Connection")
    require_changeable(container._replace(state=current.state))
    return current


def _changed_since(container: Container) -> GraphError:
    """Why nothing was written to a connection that has been looked at before."""
    found = ExternalConnection.objects.alive().filter(pk=container.key).first()
    if found is None:
        return ItemNotFound("Connection")
    now = container._replace(state=found.state)
    return _not_in_this_state(now, "written or deleted", CHANGEABLE)


def _no_room(found: ExternalConnection) -> LimitExceeded:
    why = f"The limit of {Limit(found.limited_by).label} is reached. " if found.limited_by else ""
    return LimitExceeded(
        f"Connection '{found.graph_id}' is in state 'limitExceeded'. {why}No item can be created; "
        "those that are there can be replaced and deleted.",
        target="state",
        state="limitExceeded",
    )


def _hold(container: Container, *, shared: bool) -> None:
    """Lock the connection. Raises ItemNotFound when it is being deleted."""
    if not ExternalConnection.objects.hold(container.key, shared=shared):
        raise ItemNotFound("Connection")


def _locked(container: Container, graph_id: str) -> ExternalItem:
    item = with_id(container, graph_id).select_for_update(no_key=True).first()
    if item is None:
        raise ItemNotFound("ExternalItem")
    return item


# Activities --------------------------------------------------------------------------------------


def add_activities(
    container: Container, graph_id: str, activities: Sequence[dict[str, Any]]
) -> ExternalItem:
    """Keep what people did with an item. Raises ItemNotFound and InvalidStateTransition."""
    require_changeable(container)
    with transaction.atomic():
        _hold(container, shared=True)
        item = _locked(container, graph_id)
        ExternalActivity.objects.bulk_create(
            ExternalActivity(item=item, **values) for values in activities
        )
    return item


# By hand -----------------------------------------------------------------------------------------


def create_by_hand(
    container: Container, graph_id: str, values: dict[str, Any], actor: Actor
) -> ExternalItem:
    """``create``, with a record of what the item holds."""
    with transaction.atomic():
        written = create(container, graph_id, values, actor)
        item = ExternalItem.objects.get(pk=written.key)
        _record(actor, Action.ITEM_WRITTEN, item, None, _members(item))
    return item


def update_by_hand(
    container: Container,
    graph_id: str,
    values: dict[str, Any],
    actor: Actor,
    *,
    only_if: Precondition = ALWAYS,
) -> ExternalItem:
    """``update``, with a record of what was before and after. Where all members are as they were,
    nothing is written and nothing recorded."""
    require_changeable(container)
    with transaction.atomic():
        _hold(container, shared=True)
        current = _locked(container, graph_id)
        only_if.check(current.etag)
        columns = columns_of(values)
        if columns == {name: _column(current, name) for name in columns}:
            return current
        before = _members(current)
        item = update(container, graph_id, values, actor)
        _record(actor, Action.ITEM_WRITTEN, item, before, _members(item))
    return item


def delete_by_hand(container: Container, item: ExternalItem, actor: Actor) -> None:
    """``delete`` this very item, not one that has its id by now, with a record of what it held."""
    require_changeable(container)
    with transaction.atomic():
        _hold(container, shared=not container.limited_by)
        current = _locked(container, item.graph_id)
        if current.pk != item.pk:
            raise ItemNotFound("ExternalItem")
        delete(container, item.graph_id, actor)
        _record(actor, Action.ITEM_DELETED, current, _members(current), None)


def _column(item: ExternalItem, name: str) -> Any:
    """What is stored in a column, as ``columns_of`` gives it."""
    value = getattr(item, name)
    is_json = name in ("acl", "properties", "label") and value is not None
    return as_text(value) if is_json else value


def _members(item: ExternalItem) -> dict[str, Any]:
    """An item as a record tells it: each property by itself, and in which order they stand."""
    bag: dict[str, Any] = item.properties  # type: ignore[assignment]
    each = {f"properties/{name}": value for name, value in bag.items()}
    return {"acl": item.acl, "properties": list(bag), **each} | {
        "content": item.content,
        LABEL: item.label,
    }


def _record(
    actor: Actor,
    action: Action,
    item: ExternalItem,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """Record what differs, and of long values the beginning."""
    told: list[dict[str, Any] | None] = []
    for members, others in ((before, after), (after, before)):
        if members is not None and others is not None:
            members = {
                name: value
                for name, value in members.items()
                if name not in others or as_text(value) != as_text(others[name])
            }
        told.append(None if members is None else _bounded(members))
    connection = item.connection
    subject = item.graph_id[:200]
    Change.record(
        actor, action, connection=connection, subject=subject, before=told[0], after=told[1]
    )


def _bounded(members: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in islice(members.items(), VALUES_KEPT):
        if name == "content" and value and value["value"]:
            kept[name] = {**value, "value": _beginning(value["value"])}
        else:
            kept[name] = _beginning(value)
    return kept


def _beginning(value: Any) -> Any:
    """The value, or of a long one what its text begins with."""
    text = value if isinstance(value, str) else as_text(value)
    if len(text) <= KEPT_OF_A_VALUE:
        return value
    return f"{text[:KEPT_OF_A_VALUE]}… ({len(text):,} characters in all)"
