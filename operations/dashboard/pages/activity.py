"""Every change that was made, by whom and through which way in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, CharField, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.dashboard.activity_filter import APP_ID, SEARCHED, asked_for
from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import page_of
from operations.dashboard.live import live_page
from operations.dashboard.presentation.activity import (
    LONGEST,
    ActivityRow,
    Existing,
    Subject,
    grouped,
)
from operations.dashboard.presentation.numbers import COUNT_LIMIT, Count
from operations.exports import stream_csv, stream_jsonl
from operations.models import (
    Application,
    Change,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
)
from operations.models.change import ChangeQuerySet
from operations.roles import Role

#: The filters that are typed.
FIELDS = {
    "who": gettext_lazy("Name"),
    "note": gettext_lazy("Text in the note"),
    "connection": gettext_lazy("Connection id"),
    "operation": gettext_lazy("Operation id"),
    "application": gettext_lazy("Client id"),
    "request": gettext_lazy("request-id"),
}
IDS = ("connection", "operation", "application", "request")


@page(Role.VIEWER)
def activity(request: HttpRequest) -> HttpResponse:
    parameters = Parameters(request.GET)
    remembered = request.COOKIES.get("rows", "")
    shown = activity_list(parameters, Change.objects.all(), timezone.now(), remembered)
    fields = [
        {"name": name, "label": label, "value": request.GET.get(name, ""), "is_id": name in IDS}
        for name, label in FIELDS.items()
    ]
    context = {
        "title": _("Activity"),
        "fields": fields,
        "has_more_filters": any(request.GET.get(name) for name in (*FIELDS, "since", "until")),
        **shown,
    }
    return live_page(request, "activity", context)


def activity_list(
    parameters: Parameters, rows: ChangeQuerySet, now: datetime, remembered: str = ""
) -> dict[str, Any]:
    """What ``_activity_list.html`` needs: filters, changes by request, where the next page begins.

    ``rows`` may be narrowed already; ``remembered`` is the number of rows that the reader chose.
    """
    wanted = asked_for(parameters, rows)
    size = parameters.page_size(remembered)
    before = parameters.position("before")
    parameters.finish()
    page_rows = wanted.rows.order_by("-id")
    if wanted.is_searched:
        # all that is looked through is looked through once, for the number and for the page
        keys = list(page_rows.values_list("pk", flat=True)[: COUNT_LIMIT + 1])
        matching = Count(len(keys))
        # how many there are at all is only said where none matches
        counts = {"matching": matching, "total": matching or Count.of(rows)}
        if len(keys) <= COUNT_LIMIT:
            later = (key for key in keys if not before or key < int(before))
            page_rows = Change.objects.filter(pk__in=list(islice(later, size + 1))).order_by("-id")
    else:
        counts = Count.several(matching=wanted.rows, total=rows)
    if before:
        page_rows = page_rows.filter(pk__lt=int(before))
    found, more = page_of(page_rows, size) if counts["matching"] else ([], False)
    shown = activity_rows(found)
    return {
        "parameters": parameters,
        "span": wanted.span,
        "rows": shown,
        "groups": list(grouped(shown)),
        **counts,
        "searched": SEARCHED if wanted.is_cut else 0,
        "is_later_page": bool(before),
        "next_page": parameters.at("before", found[-1].pk) if more else "",
        "is_empty": not counts["total"],
    }


# What still exists --------------------------------------------------------------------------------


def activity_rows(changes: Sequence[Change], longest: int | None = LONGEST) -> list[ActivityRow]:
    existing = what_exists(changes)
    return [ActivityRow(change, existing, longest) for change in changes]


def what_exists(changes: Sequence[Change]) -> Existing:
    """Which of the things that these changes name are still there, in two queries."""
    # each begins with one that is none: as many queries when nothing is named
    connections = {0, *(change.connection_key for change in changes if change.connection_key)}
    operations = {change.operation_key for change in changes if change.operation_key}
    applications: set[UUID] = set()
    errors = {""}
    within = {"item": Q(), "group": Q()}
    for change in changes:
        subject = Subject.of(change)
        if subject.kind in within and change.connection_key:
            within[subject.kind] |= Q(connection=change.connection_key, graph_id=change.subject)
        if change.actor_app_id:
            applications.add(change.actor_app_id)
        if subject.kind == "application" and APP_ID.fullmatch(subject.id):
            applications.add(UUID(subject.id))
        if subject.kind == "error" and subject.id:
            errors.add(subject.id)
    nowhere = (Value(0, BigIntegerField()), Value("", TextField()))
    keys = _together(
        ExternalConnection.objects.filter(pk__in=connections).values_list(
            Value("connection"), "pk", *nowhere
        ),
        ConnectionOperation.objects.filter(pk__in=operations).values_list(
            Value("operation"), "pk", *nowhere
        ),
        *(
            rows.filter(within[kind]).values_list(
                Value(kind), "pk", "connection_id", Cast("graph_id", TextField())
            )
            for kind, rows in (
                ("item", ExternalItem.objects.all()),
                ("group", ExternalGroup.objects.all()),
            )
            if within[kind]
        ),
    )
    ids = _together(
        Application.objects.filter(app_id__in=applications).values_list(
            Value("application"), Cast("app_id", CharField())
        ),
        ErrorGroup.objects.filter(fingerprint__in=errors).values_list(
            Value("error"), "fingerprint"
        ),
    )
    return Existing(
        connections=frozenset(key for kind, key, *_ in keys if kind == "connection"),
        operations=frozenset(key for kind, key, *_ in keys if kind == "operation"),
        items={(where, id): key for kind, key, where, id in keys if kind == "item"},
        groups={(where, id): key for kind, key, where, id in keys if kind == "group"},
        applications=frozenset(
            text.replace("-", "") for kind, text in ids if kind == "application"
        ),
        errors=frozenset(text for kind, text in ids if kind == "error"),
    )


def _together(first: QuerySet, *others: QuerySet) -> list[tuple[Any, ...]]:
    # clear the order of the whole as well: that of the first model names no column of this one
    rows = [other.order_by() for other in others]
    return list(first.order_by().union(*rows, all=True).order_by())


# As a file ----------------------------------------------------------------------------------------

COLUMNS = (
    "number",
    "at",
    "action",
    "actionLabel",
    "channel",
    "actorKind",
    "actorName",
    "actorAppId",
    "requestId",
    "connectionId",
    "operationId",
    "subject",
    "before",
    "after",
    "note",
)
#: Rows that are read at once for a file.
CHUNK = 1000


@page(Role.OPERATOR)
def export_activity(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """The filtered list, newest first, as ``csv`` or ``jsonl``."""
    wanted = asked_for(Parameters(request.GET), Change.objects.all())
    rows = map(_exported, _all_of(wanted.rows))
    if kind == "csv":
        return stream_csv("activity", COLUMNS, rows)
    if kind == "jsonl":
        return stream_jsonl("activity", (dict(zip(COLUMNS, row, strict=True)) for row in rows))
    raise Http404(_("Lists can be had as csv and as jsonl."))


def _all_of(rows: QuerySet[Change]) -> Iterator[Change]:
    """In chunks by key: no cursor is held open for as long as the reader takes."""
    rows = rows.order_by("-id")
    chunk = list(rows[:CHUNK])
    while chunk:
        yield from chunk
        chunk = list(rows.filter(pk__lt=chunk[-1].pk)[:CHUNK])


def _exported(change: Change) -> list[Any]:
    return [
        change.pk,
        change.at,
        change.action,
        change.get_action_display(),
        change.channel,
        change.actor_kind,
        change.actor_name,
        change.actor_app_id,
        change.request_id,
        change.connection_graph_id,
        change.operation_graph_id,
        change.subject,
        change.before,
        change.after,
        change.note,
    ]
