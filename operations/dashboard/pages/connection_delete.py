"""Deleting connections: what goes with them, the question, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations import provisioning
from operations.access import person
from operations.dashboard.filters import PAGE_SIZES
from operations.dashboard.guard import page
from operations.dashboard.lookups import find_connection
from operations.dashboard.presentation.numbers import Count, Total
from operations.errors import GraphError
from operations.models import (
    Actor,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    ExternalGroup,
    ItemTally,
    OutcomeRule,
    Schema,
)
from operations.models.connection import CONNECTION_ID
from operations.roles import Role

#: As many as a page of the list can hold.
MOST_AT_ONCE = max(PAGE_SIZES)


@page(Role.ADMINISTRATOR)
def delete_connection(request: HttpRequest, connection_id: str) -> HttpResponse:
    """One: its id has to be typed."""
    found, _health = find_connection(connection_id)
    if found.deleting_since:
        messages.info(request, _("It is being deleted already. Nothing changed."))
        return redirect("connection", found.graph_id)
    typed = request.POST.get("typed", "").strip()
    is_wrong = request.method == "POST" and typed.lower() != found.lookup_id
    if request.method == "POST" and not is_wrong:
        _delete([found], request)
        return redirect("connections")
    context = {
        "title": _("Delete %(name)s") % {"name": found.name},
        "connections": [found],
        "goes_along": goes_along([found]),
        "asked": _("id of the connection"),
        "to_type": found.graph_id,
        "typed": typed,
        "is_wrong": is_wrong,
        "back": found,
    }
    return render(request, "dashboard/connection_delete.html", context, status=_status(is_wrong))


@page(Role.ADMINISTRATOR)
def delete_connections(request: HttpRequest) -> HttpResponse:
    """Those that were selected in the list: how many they are has to be typed."""
    given = request.POST if request.method == "POST" else request.GET
    ids = {each.lower() for each in given.getlist("connection") if CONNECTION_ID.fullmatch(each)}
    alive = ExternalConnection.objects.alive().filter(lookup_id__in=list(ids)[:MOST_AT_ONCE])
    found = list(alive.order_by("lookup_id"))
    if not found:
        messages.info(request, _("No connection was selected. Nothing changed."))
        return redirect("connections")
    number = str(len(found))
    typed = request.POST.get("typed", "").strip()
    # also when one of them went away since the question was asked
    is_wrong = request.method == "POST" and typed != number
    if request.method == "POST" and not is_wrong:
        _delete(found, request)
        return redirect("connections")
    title = ngettext("Delete %(n)s connection", "Delete %(n)s connections", len(found))
    context = {
        "title": title % {"n": number},
        "connections": found,
        "goes_along": goes_along(found),
        "asked": _("number of connections"),
        "to_type": number,
        "typed": typed,
        "is_wrong": is_wrong,
        "back": None,
    }
    return render(request, "dashboard/connection_delete.html", context, status=_status(is_wrong))


def _status(is_wrong: bool) -> int:
    return 400 if is_wrong else 200


def goes_along(connections: list[ExternalConnection]) -> list[str]:
    """What is deleted with them, and how much: ``4 operations``."""
    below = {"connection__in": connections}
    counts = Count.several(
        operations=ConnectionOperation.objects.filter(**below),
        schemas=Schema.objects.filter(**below),
        rules=OutcomeRule.objects.filter(**below),
        groups=ExternalGroup.objects.filter(**below),
    )
    operations, schemas, rules = counts["operations"], counts["schemas"], counts["rules"]
    tallies = ItemTally.objects.items_of([connection.pk for connection in connections])
    items, groups = Total(sum(tallies.values())), counts["groups"]
    named = [
        (items, ngettext("%(n)s item", "%(n)s items", items.number)),
        (groups, ngettext("%(n)s group", "%(n)s groups", groups.number)),
        (operations, ngettext("%(n)s operation", "%(n)s operations", operations.number)),
        (schemas, ngettext("%(n)s schema version", "%(n)s schema versions", schemas.number)),
        (rules, ngettext("%(n)s outcome rule", "%(n)s outcome rules", rules.number)),
    ]
    return [words % {"n": count} for count, words in named if count]


@dataclass
class Tally:
    """What became of each."""

    gone: int = 0
    going: int = 0
    refused: int = 0


def _delete(connections: list[ExternalConnection], request: HttpRequest) -> None:
    actor: Actor = person(request, Channel.DASHBOARD)
    tally = Tally()
    for connection in connections:
        try:
            provisioning.request_deletion(connection, actor)
        except GraphError:  # somebody else was first
            tally.refused += 1
            continue
        if ExternalConnection.objects.filter(pk=connection.pk).exists():
            tally.going += 1
        else:
            tally.gone += 1
    if tally.gone:
        said = ngettext(
            "%(n)s connection is deleted.", "%(n)s connections are deleted.", tally.gone
        )
        one = _("%(name)s is deleted. Its id is free again.") % {"name": connections[0].name}
        messages.success(request, one if len(connections) == 1 else said % {"n": tally.gone})
    if tally.going:
        said = ngettext(
            "%(n)s connection holds so much that a worker deletes it in steps. Its id is free "
            "again when that ends.",
            "%(n)s connections hold so much that a worker deletes them in steps. Their ids are "
            "free again when that ends.",
            tally.going,
        )
        messages.success(request, said % {"n": tally.going})
    if tally.refused:
        said = ngettext(
            "%(n)s was being deleted already. Nothing changed about it.",
            "%(n)s were being deleted already. Nothing changed about them.",
            tally.refused,
        )
        messages.info(request, said % {"n": tally.refused})
