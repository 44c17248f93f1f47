"""How many items there may be, and the state of those connections that have as many.

A limit is entered with the item that fills it, or by the create that it refuses, and left when
there is room again: the count decides both. Whoever sets the state by hand, it stays.
"""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction

from operations.models import (
    Action,
    Actor,
    Change,
    ConnectionState,
    ExternalConnection,
    ItemTally,
    Limit,
)
from operations.models.item_tally import EVERYTHING

#: With less room than this creates take turns, so that none goes beyond the limit. More than can be
#: on their way at once without having looked.
MARGIN = 1000
#: Connections that are let go of in one look.
MOST_AT_ONCE = 100
#: PostgreSQL's number for "whoever is about to fill the limit of all connections".
_LIMIT_OF_ALL = 7_023_118_441


class Room(NamedTuple):
    """How many more items a connection may have, and which limit says so."""

    items: int
    limit: Limit

    @classmethod
    def beside(cls, items: int, items_in_all: int) -> Room:
        """Beside so many in the connection, and in all."""
        here = settings.ITEMS_PER_CONNECTION - items
        anywhere = settings.ITEMS_IN_ALL - items_in_all
        if here <= anywhere:
            return cls(max(0, here), Limit.CONNECTION)
        return cls(max(0, anywhere), Limit.ALL)


class Below(NamedTuple):
    """Numbers of items, in a connection and in all."""

    items: int
    items_in_all: int


def plenty() -> Below:
    """With less than these there is so much room that creates need not take turns."""
    return Below(settings.ITEMS_PER_CONNECTION - MARGIN, settings.ITEMS_IN_ALL - MARGIN)


def is_plenty(items: int, items_in_all: int) -> bool:
    """Whether there are less than ``plenty`` says."""
    below = plenty()
    return items < below.items and items_in_all < below.items_in_all


def room(connection_key: int) -> Room:
    """What is left for a connection now (``connectionQuota.itemsRemaining``)."""
    return Room.beside(*_counted(connection_key))


def room_alone(connection_key: int) -> Room:
    """The same for one who creates an item: nobody else takes it until the transaction ends.

    The caller has locked the connection. Where the limit of all is near, those who create items in
    other connections take turns as well.
    """
    items, items_in_all = _counted(connection_key)
    near = settings.ITEMS_IN_ALL - items_in_all <= MARGIN
    if near and connection.vendor == "postgresql":  # SQLite's transactions take turns anyway
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LIMIT_OF_ALL])
        items, items_in_all = _counted(connection_key)
    return Room.beside(items, items_in_all)


def _counted(connection_key: int) -> tuple[int, int]:
    counted = ItemTally.objects.items_of([connection_key, EVERYTHING])
    return counted[connection_key], counted[EVERYTHING]


def settle(found: ExternalConnection, actor: Actor, left: Room) -> None:
    """Bring a connection that the caller has locked into the state that its room means."""
    if left.items == 0 and found.state == ConnectionState.READY:
        _put(found, actor, ConnectionState.LIMIT_EXCEEDED, left.limit)
    elif left.items > 0 and found.state == ConnectionState.LIMIT_EXCEEDED and found.limited_by:
        _put(found, actor, ConnectionState.READY, None)


def settle_limited(actor: Actor) -> bool:
    """Let go of those that no limit holds any more: something was deleted, or the limit raised.
    Returns whether there was one."""
    free = _free()
    for key in free:
        with transaction.atomic():
            found = ExternalConnection.objects.alive().select_for_update(no_key=True).filter(pk=key)
            if current := found.first():
                settle(current, actor, room(key))
    return bool(free)


def _free() -> list[int]:
    """The connections to let go of, the oldest first. Of those that the limit of all holds no more
    than have room for an item each: the others would only be held again."""
    held = ExternalConnection.objects.alive().exclude(limited_by="").order_by("pk")
    limits = dict(held.values_list("pk", "limited_by"))
    if not limits:
        return []
    counted = ItemTally.objects.items_of([*limits, EVERYTHING])
    left = settings.ITEMS_IN_ALL - counted[EVERYTHING]
    free = []
    for key, limit in limits.items():
        if not Room.beside(counted[key], counted[EVERYTHING]).items:
            continue
        if limit == Limit.ALL:
            if left <= 0:
                continue
            left -= 1
        free.append(key)
        if len(free) == MOST_AT_ONCE:
            break
    return free


def _put(
    found: ExternalConnection, actor: Actor, state: ConnectionState, limit: Limit | None
) -> None:
    before = {"state": ConnectionState.word_of(found.state)}
    found.state = state
    found.limited_by = limit or ""
    found.save(update_fields=["state", "limited_by", "changed_at"])
    Change.record(
        actor,
        Action.CONNECTION_UPDATED,
        connection=found,
        before=before,
        after={"state": state.word},
        note=f"The limit of {limit.label} is reached."
        if limit
        else "There is room for items again.",
    )
