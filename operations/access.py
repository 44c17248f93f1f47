"""Who may see and change which connection.

An application's rights are its effective roles and its ownership: it owns what it created, and what
lists it in ``configuration.authorizedAppIds`` is as good as owned (graph-contract 5.5). The checks
come in this order: token (401), role (403), sight (404), right to write (403).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.http import HttpRequest

from operations.errors import ItemNotFound, MissingRole, NotOwner
from operations.models import (
    Actor,
    ActorKind,
    AuthorizedApp,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    OperationRow,
)
from operations.models.connection import CONNECTION_ID, ExternalConnectionQuerySet
from operations.models.container import Container
from operations.models.operation_id import OPERATION_ID
from operations.models.operation_row import COLUMNS
from operations.models.prepared import Prepared, Statement, parameter


class Family(NamedTuple):
    """The roles over one kind of thing. ``OWNED`` is good for what the caller manages."""

    owned: str
    read_all: str
    write_all: str

    @property
    def to_read(self) -> tuple[str, ...]:
        """What a call that reads accepts, least privileged first, as the 403 lists them."""
        return self

    @property
    def to_write(self) -> tuple[str, ...]:
        return (self.owned, self.write_all)


#: Connections, their schemas, operations and quota.
CONNECTIONS = Family(
    "ExternalConnection.ReadWrite.OwnedBy",
    "ExternalConnection.Read.All",
    "ExternalConnection.ReadWrite.All",
)
#: What is in a connection: items and their activities, groups and their members.
ITEMS = Family(
    "ExternalItem.ReadWrite.OwnedBy",
    "ExternalItem.Read.All",
    "ExternalItem.ReadWrite.All",
)


#: Connections by their ids in small letters, as they were seen last, and how many of them.
_seen: dict[str, Container] = {}
MOST_SEEN = 1000


@dataclass(frozen=True)
class Caller:
    """An application as its token shows it. ``roles`` are the token's that it still has."""

    app_id: UUID
    name: str
    roles: frozenset[str]

    def actor(self, request_id: str) -> Actor:
        return Actor(ActorKind.APPLICATION, self.name, Channel.API, self.app_id, request_id)


def person(request: HttpRequest, channel: Channel) -> Actor:
    """The signed-in operator behind a page or admin request."""
    return Actor(
        ActorKind.OPERATOR,
        request.user.get_username(),
        channel,
        request_id=getattr(request, "request_id", ""),
    )


def require_role(caller: Caller, accepted: Sequence[str]) -> None:
    """Raise MissingRole unless the caller has one of the roles."""
    if caller.roles.isdisjoint(accepted):
        raise MissingRole(accepted, sorted(caller.roles))


def sees_all(caller: Caller, family: Family = CONNECTIONS) -> bool:
    """Whether a role shows it what everybody has."""
    return not caller.roles.isdisjoint((family.read_all, family.write_all))


def visible_connections(caller: Caller, family: Family = CONNECTIONS) -> ExternalConnectionQuerySet:
    """The living connections that the caller may read (or whose items); the others do not exist
    for it."""
    connections = ExternalConnection.objects.alive()
    if sees_all(caller, family):
        return connections
    return connections.filter(_managed_by(caller))


def find_connection(caller: Caller, graph_id: str, *, to_write: bool) -> ExternalConnection:
    """The connection with this id, in any case of letters.

    Raises ItemNotFound when the caller may not see it, NotOwner when it may not change it.
    """
    *values, _ = _find_connection(caller, _connections, graph_id, to_write=to_write)
    return ExternalConnection.from_db(DEFAULT_DB_ALIAS, CONNECTION_COLUMNS, values)


def find_parent(caller: Caller, graph_id: str, *, to_write: bool) -> ExternalConnection:
    """The same for what is below it: the rest of the connection is looked up when it is needed."""
    *values, _ = _find_connection(caller, _parents, graph_id, to_write=to_write)
    return ExternalConnection.from_db(DEFAULT_DB_ALIAS, PARENT_COLUMNS, values)


def find_container(caller: Caller, graph_id: str, *, to_write: bool) -> Container:
    """The same for items and groups, which have roles of their own. Raises what
    ``find_connection`` raises."""
    *values, _ = _find_connection(caller, _containers, graph_id, to_write=to_write, family=ITEMS)
    container = Container(*values)
    if len(_seen) >= MOST_SEEN:
        _seen.clear()
    _seen[graph_id.lower()] = container
    return container


def seen_container(graph_id: str) -> Container | None:
    """As this process saw it last, for whomever: to be tried with ``if_unchanged``."""
    return _seen.get(graph_id.lower()) if CONNECTION_ID.fullmatch(graph_id) else None


def if_unchanged(caller: Caller, seen: Container, items: int, items_in_all: int) -> Statement:
    """Looks up the key of a connection for a caller who may write to it now, if the schema in force
    is the one that was seen, and less than so many items are in it, and in all."""
    make = _unchanged if ITEMS.write_all in caller.roles else _unchanged_and_managed
    everything = sees_all(caller, ITEMS)
    return _as_seen(make, everything, caller.app_id, seen, items, items_in_all)


@lru_cache(maxsize=MOST_SEEN)
def _as_seen(
    make: Make, everything: bool, app_id: UUID, seen: Container, items: int, items_in_all: int
) -> Statement:
    return _prepared(make, ITEMS, everything).statement(
        application=app_id,
        connection=seen.graph_id.lower(),
        key=seen.key,
        schema_key=seen.schema_key,
        schema_since=seen.schema_since,
        items=items,
        items_in_all=items_in_all,
    )


def _find_connection(
    caller: Caller,
    make: Make,
    graph_id: str,
    *,
    to_write: bool,
    family: Family = CONNECTIONS,
) -> list[Any]:
    row = None
    if CONNECTION_ID.fullmatch(graph_id):
        row = _find(caller, make, family, connection=graph_id.lower())
    if row is None:
        raise ItemNotFound("Connection")
    if to_write:
        _require_write(caller, row[1], managed=row[-1], family=family)
    return row


def find_operation(
    caller: Caller, connection_id: str, graph_id: str, *, to_write: bool
) -> ConnectionOperation:
    """The operation with exactly this id, and its connection. What is not needed to show or to
    change it is looked up when somebody asks.

    Raises what ``find_connection`` raises, and ItemNotFound when there is no such operation.
    """
    found = _find_operation(caller, connection_id, graph_id, to_write=to_write)
    operation = ConnectionOperation.from_db(DEFAULT_DB_ALIAS, OperationRow._fields, found.row)
    operation.connection = ExternalConnection.from_db(
        DEFAULT_DB_ALIAS, PARENT_COLUMNS, (found.connection_key, found.connection_id)
    )
    return operation


def read_operation(caller: Caller, connection_id: str, graph_id: str) -> tuple[OperationRow, str]:
    """What is shown of it, and its connection's id as it was created: for one who polls.

    Raises what ``find_operation`` raises.
    """
    found = _find_operation(caller, connection_id, graph_id, to_write=False)
    return found.row, found.connection_id


class _Found(NamedTuple):
    row: OperationRow
    connection_key: int
    connection_id: str
    managed: bool


def _find_operation(caller: Caller, connection_id: str, graph_id: str, *, to_write: bool) -> _Found:
    row = None
    if CONNECTION_ID.fullmatch(connection_id) and OPERATION_ID.fullmatch(graph_id):
        row = _find(
            caller,
            _operations,
            CONNECTIONS,
            connection=connection_id.lower(),
            operation=graph_id,
        )
    if row is None:
        find_parent(caller, connection_id, to_write=to_write)
        raise ItemNotFound("ConnectionOperation")
    found = _Found(OperationRow._make(row[:-3]), row[-3], row[-2], row[-1])
    if to_write:
        _require_write(caller, found.connection_id, managed=found.managed)
    return found


def _require_write(
    caller: Caller, connection_id: str, *, managed: bool, family: Family = CONNECTIONS
) -> None:
    if family.write_all not in caller.roles and not (family.owned in caller.roles and managed):
        raise NotOwner(connection_id)


def _managed_by(caller: Caller) -> Q:
    listed = AuthorizedApp.objects.filter(connection=OuterRef("pk"), app_id=caller.app_id)
    return Q(owner_app_id=caller.app_id) | Q(Exists(listed))


# The look-ups that every call begins with -------------------------------------------------------

Make = Callable[[Caller, Family], QuerySet]
PARENT_COLUMNS = ["id", "graph_id"]
CONNECTION_COLUMNS = [field.attname for field in ExternalConnection._meta.concrete_fields]
assert CONNECTION_COLUMNS[:2] == PARENT_COLUMNS


def _parents(caller: Caller, family: Family) -> QuerySet[Any, Any]:
    """Visible connections, with a Parameter for the id, and whether the caller manages it."""
    everything = sees_all(caller, family)
    managed = _managed_by(caller) if everything else Value(True)  # then it sees no others
    visible = visible_connections(caller, family).annotate(managed=managed).order_by()
    found = visible.filter(lookup_id=parameter(ExternalConnection, "connection=lookup_id"))
    return found.values_list(*PARENT_COLUMNS, "managed")


def _connections(caller: Caller, family: Family) -> QuerySet[Any, Any]:
    return _parents(caller, family).values_list(*CONNECTION_COLUMNS, "managed")


def _operations(caller: Caller, family: Family) -> QuerySet[Any, Any]:
    """The same with a Parameter for the id of one of its operations: that, then its connection."""
    found = _parents(caller, family).filter(
        operations__graph_id=parameter(ConnectionOperation, "operation=graph_id")
    )
    columns = [f"operations__{name}" for name in COLUMNS]
    return found.values_list(*columns, *PARENT_COLUMNS, "managed")


def _containers(caller: Caller, family: Family) -> QuerySet[Any, Any]:
    """What ``Container`` has, and whether the caller manages it."""
    return Container.columns(_parents(caller, family), "managed")


def _unchanged(caller: Caller, family: Family) -> QuerySet[Any, Any]:
    """The key of one that is as it was seen."""
    return Container.unchanged(_parents(caller, family)).values_list("pk")


def _unchanged_and_managed(caller: Caller, family: Family) -> QuerySet[Any, Any]:
    return _unchanged(caller, family).filter(managed=True)


def _find(caller: Caller, make: Make, family: Family, **ids: str) -> list[Any] | None:
    prepared = _prepared(make, family, sees_all(caller, family))
    found = prepared.tuples(1, application=caller.app_id, **ids)
    return found[0] if found else None


@cache
def _prepared(make: Make, family: Family, everything: bool) -> Prepared[Any]:
    app_id: Any = parameter(ExternalConnection, "application=owner_app_id")
    anybody = Caller(app_id, "", frozenset((family.read_all if everything else family.owned,)))
    return Prepared(partial(make, anybody, family))
