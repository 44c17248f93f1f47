"""Search: an id leads straight to what it names, anything else to what it may mean, by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Case, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.dashboard.activity_filter import APP_ID
from operations.dashboard.filters import LONGEST_TEXT
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE
from operations.dashboard.presentation.operations import OperationRow
from operations.marks import Mark, connection_mark
from operations.models import (
    Application,
    Change,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    Refusal,
)
from operations.models.operation_id import OPERATION_ID
from operations.roles import Role

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: Our id of a request is a GUID; a caller's own may be any plain identifier.
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Newest connections in which items and groups are looked for, and what is read of what they find.
SEARCHED = 10_000
MOST_NAMED = 60


@dataclass(frozen=True)
class Hit:
    """One thing that was found."""

    address: str
    name: str
    id: str = ""
    text: str = ""
    mark: Mark | None = None
    at: datetime | None = None
    is_id: bool = False  # the name is one


@dataclass(frozen=True)
class Hits:
    """What was found of one kind; ``more`` leads to the list when there are more than these."""

    title: StrOrPromise
    hits: list[Hit]
    more: str = ""


@page(Role.VIEWER)
def search(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    # no database can look for a NUL, and nothing that is looked for here is so long
    is_search = 0 < len(text) <= LONGEST_TEXT and "\0" not in text
    found: list[Hits] = []
    if is_search:
        connections = _connections(text)
        named = _named(text)
        operations = _operations(text, [each.key for each in named if each.kind == "operation"])
        exact = [row for row in connections if row.lookup_id == text.lower()]
        addresses = [_address(row) for row in exact] + [each.address for each in named]
        if len(addresses) == 1:
            return redirect(addresses[0])
        found = [
            hits
            for hits in (
                *_of_request(text),
                _shown_connections(connections, text),
                _shown_operations(operations),
                _shown_named(_("Items"), [each for each in named if each.kind == "item"]),
                _shown_named(_("Groups"), [each for each in named if each.kind == "group"]),
                _applications(text),
                _errors(text),
            )
            if hits.hits
        ]
    return render(
        request,
        "dashboard/search.html",
        {
            "title": _("Search"),
            "search_query": text[:LONGEST_TEXT].replace("\0", ""),
            "is_search": is_search,
            "is_too_long": len(text) > LONGEST_TEXT,
            "longest": LONGEST_TEXT,
            "found": found,
        },
    )


def _address(row: ExternalConnection | ConnectionOperation) -> str:
    if isinstance(row, ExternalConnection):
        return reverse("connection", args=[row.graph_id])
    return reverse("operation", args=[row.connection.graph_id, row.graph_id])


def _cut(rows: Iterable[Any]) -> tuple[list[Any], bool]:
    found = list(rows)
    return found[:GLIMPSE], len(found) > GLIMPSE


def _list(page_name: str, is_cut: bool, **parameters: str) -> str:
    return f"{reverse(page_name)}?{urlencode(parameters)}" if is_cut else ""


def _connections(text: str) -> list[ExternalConnection]:
    """With the text in the name or the id; first the one that has it as its id."""
    rows = ExternalConnection.objects.filter(
        Q(name__icontains=text) | Q(lookup_id__contains=text.lower())
    )
    exact_first = Case(When(lookup_id=text.lower(), then=Value(0)), default=Value(1))
    return list(rows.order_by(exact_first, "lookup_id")[: GLIMPSE + 1])


def _shown_connections(rows: list[ExternalConnection], text: str) -> Hits:
    shown, is_cut = _cut(rows)
    hits = [
        Hit(_address(row), row.name, id=row.graph_id, mark=connection_mark(row)) for row in shown
    ]
    return Hits(_("Connections"), hits, _list("connections", is_cut, q=text))


@dataclass(frozen=True)
class Named:
    """What has exactly an id, in a connection: several may have one with the same id."""

    kind: str  # operation, item, group
    key: int
    graph_id: str
    connection_id: str
    connection_name: str

    @property
    def address(self) -> str:
        last = self.graph_id if self.kind == "operation" else self.key
        return reverse(self.kind, args=[self.connection_id, last])


def _named(text: str) -> list[Named]:
    """Operations, items and groups with exactly this id, in one query. Ids of operations that we
    make are lower-case."""
    # no index has the ids of items without their connections
    places = ExternalConnection.objects.order_by("-pk").values("pk")[:SEARCHED]
    ids = {text, text.lower()} if APP_ID.fullmatch(text) else {text}
    sets: list[tuple[str, QuerySet]] = [
        ("item", ExternalItem.objects.filter(connection__in=places, graph_id=text)),
        ("group", ExternalGroup.objects.filter(connection__in=places, graph_id=text)),
    ]
    if OPERATION_ID.fullmatch(text):
        sets.insert(0, ("operation", ConnectionOperation.objects.filter(graph_id__in=ids)))
    first, *others = (
        rows.order_by().values_list(
            Value(kind),
            "pk",
            Cast("graph_id", TextField()),
            "connection__graph_id",
            "connection__name",
        )
        for kind, rows in sets
    )
    found = first.union(*others, all=True).order_by()
    return [Named(*row) for row in found[:MOST_NAMED]]


def _shown_named(title: str, found: list[Named]) -> Hits:
    hits = [
        Hit(
            each.address,
            each.graph_id,
            id=each.connection_id,
            text=each.connection_name,
            is_id=True,
        )
        for each in found[:GLIMPSE]
    ]
    return Hits(title, hits)


def _operations(text: str, keys: list[int]) -> list[ConnectionOperation]:
    """Those with these keys, or else those whose id begins so."""
    if not OPERATION_ID.fullmatch(text):
        return []
    if keys:
        rows = ConnectionOperation.objects.filter(pk__in=keys).order_by("-id")
    else:
        rows = ConnectionOperation.objects.with_id_like(text)
    return list(rows.select_related("connection")[: GLIMPSE + 1])


def _shown_operations(rows: list[ConnectionOperation]) -> Hits:
    shown, is_cut = _cut(rows)
    now = timezone.now()
    hits = [
        Hit(
            _address(row.operation),
            row.graph_id,
            id=row.connection.graph_id,
            text=row.sentence,
            mark=row.mark,
            at=row.operation.created_at,
            is_id=True,
        )
        for row in (OperationRow(operation, now) for operation in shown)
    ]
    title = _("Operations, the first of many: more of the id finds fewer") if is_cut else ""
    return Hits(title or _("Operations"), hits)


def _of_request(text: str) -> list[Hits]:
    """What a request changed, and what it was refused."""
    if not REQUEST_ID.fullmatch(text):
        return []
    ids = {text, text.lower()}
    changes, is_cut = _cut(Change.objects.filter(request_id__in=ids).order_by("-id")[: GLIMPSE + 1])
    refusals, _more = _cut(Refusal.objects.of_request(text)[: GLIMPSE + 1])
    return [
        Hits(
            _("Changes of this request"),
            [
                Hit(
                    reverse("event", args=[row.pk]),
                    row.get_action_display(),
                    id=row.connection_graph_id,
                    text=row.operation_graph_id or row.subject,
                    at=row.at,
                )
                for row in changes
            ],
            f"{reverse('activity')}?{urlencode({'request': text})}" if changes else "",
        ),
        Hits(
            _("Refusals of this request"),
            [
                Hit(
                    f"{reverse('applications')}?{urlencode({'why': row.request_id})}",
                    f"{row.status} {row.code}",
                    text=f"{row.method} {row.path}",
                    at=row.at,
                )
                for row in refusals
            ],
        ),
    ]


def _applications(text: str) -> Hits:
    wanted = Q(name__icontains=text)
    if APP_ID.fullmatch(text):
        wanted |= Q(app_id=UUID(text))
    shown, is_cut = _cut(Application.objects.filter(wanted).order_by("name", "id")[: GLIMPSE + 1])
    hits = [
        Hit(f"{reverse('applications')}{row.app_id}/", row.name, id=str(row.app_id))
        for row in shown
    ]
    return Hits(_("Applications"), hits, reverse("applications") if is_cut else "")


def _errors(text: str) -> Hits:
    said = ErrorGroup.objects.seen().filter(Q(pattern__icontains=text) | Q(code__icontains=text))
    shown, is_cut = _cut(said.order_by("-last_seen", "-id")[: GLIMPSE + 1])
    hits = [
        Hit(reverse("error", args=[row.fingerprint]), str(row), id=row.code, at=row.last_seen)
        for row in shown
    ]
    by_code = all(text.lower() in row.code.lower() for row in shown)
    return Hits(_("Errors"), hits, _list("errors", is_cut, **{"code" if by_code else "text": text}))
