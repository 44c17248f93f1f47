"""Who may see and change which connection.

An application's rights are its effective roles and its ownership: it owns what it created, and what
lists it in ``configuration.authorizedAppIds`` is as good as owned (graph-contract 5.5). The checks
come in this order: token (401), role (403), sight (404), right to write (403).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest

from operations.errors import ItemNotFound, MissingRole, NotOwner
from operations.models import Actor, ActorKind, AuthorizedApp, Channel, ExternalConnection
from operations.models.connection import CONNECTION_ID, ExternalConnectionQuerySet

OWNED = "ExternalConnection.ReadWrite.OwnedBy"
READ_ALL = "ExternalConnection.Read.All"
WRITE_ALL = "ExternalConnection.ReadWrite.All"
#: Roles that a call accepts, least privileged first, as the 403 lists them.
READ_ROLES = (OWNED, READ_ALL, WRITE_ALL)
WRITE_ROLES = (OWNED, WRITE_ALL)


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


def visible_connections(caller: Caller) -> ExternalConnectionQuerySet:
    """The living connections that the caller may read; the others do not exist for it."""
    connections = ExternalConnection.objects.alive()
    if caller.roles.intersection((READ_ALL, WRITE_ALL)):
        return connections
    return connections.filter(_managed_by(caller))


def find_connection(caller: Caller, graph_id: str, *, to_write: bool) -> ExternalConnection:
    """The connection with this id, in any case of letters.

    Raises ItemNotFound when the caller may not see it, NotOwner when it may not change it.
    """
    connection = None
    if CONNECTION_ID.fullmatch(graph_id):
        connections = visible_connections(caller).annotate(managed=_managed_by(caller))
        connection = connections.filter(lookup_id=graph_id.lower()).first()
    if connection is None:
        raise ItemNotFound("Connection")
    may_write = WRITE_ALL in caller.roles or (OWNED in caller.roles and connection.managed)
    if to_write and not may_write:
        raise NotOwner(connection.graph_id)
    return connection


def _managed_by(caller: Caller) -> Q:
    listed = AuthorizedApp.objects.filter(connection=OuterRef("pk"), app_id=caller.app_id)
    return Q(owner_app_id=caller.app_id) | Q(Exists(listed))
