"""The list of errors: failures that say the same are one row. Also as a file; and the catalogue of
causes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from operations import causes as catalogue_file
from operations.causes import Cause
from operations.dashboard import keyset
from operations.dashboard.error_list import (
    CAUSE_LIMIT,
    all_error_rows,
    error_rows,
    errors_asked_for,
    with_newest,
)
from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import page_of
from operations.dashboard.live import live_page
from operations.dashboard.presentation.errors import CauseEntry, ErrorRow
from operations.dashboard.presentation.numbers import Count
from operations.exports import stream_csv, stream_jsonl
from operations.marks import ERROR_MARKS
from operations.models import ErrorGroup
from operations.roles import Role


@page(Role.VIEWER)
def errors(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    parameters = Parameters(request.GET)
    wanted = errors_asked_for(parameters, now)
    size = parameters.page_size(request.COOKIES.get("rows", ""))
    groups = wanted.order.sort(with_newest(wanted.groups))
    after = parameters.position("after", keyset.POSITION)
    if after:
        try:
            groups = wanted.order.behind(groups, after)
        except ValueError:
            parameters.leave_out("after")
            after = ""
    parameters.finish()
    everything = ErrorGroup.objects.seen()
    counts = Count.several(
        matching=wanted.groups,
        total=everything,
        **{status.value: everything.in_status(now, status) for status in ERROR_MARKS},
    )
    found, more = page_of(groups, size)
    return live_page(
        request,
        "errors",
        {
            "title": _("Errors"),
            "parameters": parameters,
            "rows": error_rows(found, now),
            "matching": counts["matching"],
            "total": counts["total"],
            "shortcuts": parameters.shortcuts(
                (_("All"), "?", counts["total"]),
                *(
                    (str(mark.label), f"?status={status.value}", counts[status.value])
                    for status, mark in ERROR_MARKS.items()
                ),
            ),
            "cause_limit": CAUSE_LIMIT if wanted.is_cut else 0,
            "is_later_page": bool(after),
            "next_page": parameters.at("after", wanted.order.position(found[-1])) if more else "",
            "is_empty": not counts["total"],
            "order": _sorted_by(parameters),
            "export_query": parameters.first_page.removeprefix("?"),
        },
    )


def _sorted_by(parameters: Parameters) -> str:
    heads = parameters.heads.items()
    sorted_by = next((column, head.order) for column, head in heads if head.order != "none")
    return {
        ("last", "descending"): _("last seen first"),
        ("last", "ascending"): _("longest not seen first"),
        ("first", "descending"): _("newest first"),
        ("first", "ascending"): _("oldest first"),
        ("count", "descending"): _("most frequent first"),
        ("count", "ascending"): _("rarest first"),
    }[sorted_by]


# As a file ----------------------------------------------------------------------------------------


@page(Role.OPERATOR)
def export_errors(request: HttpRequest, kind: str) -> HttpResponseBase:
    """The list with its filters and order, as ``csv`` or ``jsonl``."""
    if kind not in ("csv", "jsonl"):
        raise Http404(_("Lists can be had as csv and as jsonl."))
    now = timezone.now()
    wanted = errors_asked_for(Parameters(request.GET), now)
    rows = map(_exported, all_error_rows(wanted.order.sort(with_newest(wanted.groups)), now))
    if kind == "jsonl":
        return stream_jsonl("errors", rows)
    return stream_csv("errors", list(COLUMNS), (list(row.values()) for row in rows))


def _exported(row: ErrorRow) -> dict[str, Any]:
    return {name: read(row) for name, read in COLUMNS.items()}


COLUMNS: dict[str, Callable[[ErrorRow], Any]] = {
    "fingerprint": lambda row: row.fingerprint,
    "status": lambda row: row.status.value,
    "statusLabel": lambda row: str(row.mark.label),
    "code": lambda row: row.group.code,
    "target": lambda row: row.group.target,
    "sentence": lambda row: row.group.pattern,
    "count": lambda row: row.group.count,
    "openFailures": lambda row: row.open_failures.number,  # 10,001: more than 10,000
    "connections": lambda row: row.connections,
    "firstSeen": lambda row: row.group.first_seen,
    "lastSeen": lambda row: row.group.last_seen,
    "resolvedAt": lambda row: row.group.resolved_at,
    "resolvedBy": lambda row: row.group.resolved_by,
    "ignoredUntil": lambda row: row.group.ignored_until,
    "causeId": lambda row: row.cause.id if row.cause else None,
    "cause": lambda row: row.cause.title if row.cause else None,
}


# The catalogue ------------------------------------------------------------------------------------


@page(Role.VIEWER)
def causes(request: HttpRequest) -> HttpResponse:
    entries = [CauseEntry(cause, cause not in _ours()) for cause in catalogue_file.catalogue()]
    return render(
        request,
        "dashboard/causes.html",
        {
            "title": _("Causes"),
            "entries": entries,
            "theirs": sum(entry.is_theirs for entry in entries),
            "faults": catalogue_file.faults(),
            "path": settings.CAUSES_FILE,
        },
    )


@cache
def _ours() -> frozenset[Cause]:
    entries, _faults = catalogue_file.read_catalogue(catalogue_file.OURS.read_text("utf-8"))
    return frozenset(entries)
