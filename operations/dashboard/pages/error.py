"""One group of errors: what it is, why, whom it hits, and what a person decides about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.access import person
from operations.dashboard.error_forms import IGNORE_DAYS, CauseForm, IgnoreForm, ResolveForm
from operations.dashboard.error_list import error_rows, with_newest
from operations.dashboard.forms import NOTE_LENGTH
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE, operation_rows
from operations.dashboard.live import live_page
from operations.dashboard.outcomes import with_error
from operations.dashboard.presentation.errors import Decision, FailedDays
from operations.models import Actor, Channel, ConnectionOperation, ErrorGroup
from operations.models.error_group import ErrorStatus
from operations.roles import Role

FINGERPRINT = re.compile(r"[0-9a-f]{32}")
CONNECTIONS = 20
HISTORY = 20


def find_group(fingerprint: str) -> ErrorGroup:
    """The group with its status and the key of its newest failure. Raises Http404."""
    found = None
    if FINGERPRINT.fullmatch(fingerprint):
        groups = with_newest(ErrorGroup.objects.with_status(timezone.now()))
        found = groups.filter(fingerprint=fingerprint).first()
    if found is None:
        raise Http404(_("There is no error with this fingerprint."))
    return found


@page(Role.VIEWER)
def error(request: HttpRequest, fingerprint: str) -> HttpResponse:
    now = timezone.now()
    group = find_group(fingerprint)
    [row] = error_rows([group], now)
    members = ConnectionOperation.objects.exclude(fingerprint="").filter(fingerprint=fingerprint)
    members = members.select_related("connection").order_by("-id")
    hit = (
        with_error(now, fingerprint)
        .values("connection__graph_id", "connection__name")
        .annotate(number=Sum("count"))
        .order_by("-number", "connection__graph_id")
    )
    list_address = reverse("operations") + "?" + urlencode({"fingerprint": fingerprint})
    return live_page(
        request,
        "error",
        {
            "title": Truncator(row.title).chars(80),
            "row": row,
            "group": group,
            "trend": FailedDays("trend", _("Failures of the last 14 days"), row.days),
            "members": operation_rows(members[:GLIMPSE], now),
            "connections": list(hit[:CONNECTIONS]),
            "more_connections": max(0, row.connections - CONNECTIONS),
            "history": [Decision(change, row.catalogue) for change in group.changes[:HISTORY]],
            "all_operations": f"{list_address}&range=all",
            "recent_operations": f"{list_address}&range=30d",
            "open_operations": f"{list_address}&triage=open&range=all",
            "can_resolve": row.status is not ErrorStatus.RESOLVED,
            "can_reopen": row.is_calm,
            "ignore_days": IGNORE_DAYS.items(),
            "note_length": NOTE_LENGTH,
            "causes": sorted(row.catalogue, key=lambda cause: cause.title.casefold()),
        },
    )


# What a person decides ----------------------------------------------------------------------------

Decide = Callable[[HttpRequest, ErrorGroup, Actor], None]


def decision(role: Role) -> Callable[[Decide], Callable[..., HttpResponseBase]]:
    """A view that decides something about a group and returns to its page. A GET decides nothing.

    The function leaves a message.
    """

    def view_of(decide: Decide) -> Callable[..., HttpResponseBase]:
        @page(role)
        @wraps(decide)
        def view(request: HttpRequest, fingerprint: str) -> HttpResponse:
            if request.method == "POST":
                decide(request, find_group(fingerprint), person(request, Channel.DASHBOARD))
            return redirect("error", fingerprint)

        return view

    return view_of


@decision(Role.OPERATOR)
def resolve_error(request: HttpRequest, group: ErrorGroup, actor: Actor) -> None:
    form = ResolveForm(request.POST)
    if not form.is_valid():
        messages.warning(
            request,
            _("A note is plain text of at most %(n)s characters. Nothing changed.")
            % {"n": f"{NOTE_LENGTH:,}"},
        )
    elif group.resolve(actor, form.cleaned_data["note"]):
        messages.success(request, _("Resolved. It returns when it is seen again."))
        _offer_to_acknowledge(request, group)
    else:
        messages.info(request, _why_not(group))


@decision(Role.OPERATOR)
def reopen_error(request: HttpRequest, group: ErrorGroup, actor: Actor) -> None:
    if group.reopen(actor):
        messages.success(request, _("Open again."))
    else:
        messages.info(request, _why_not(group))


@decision(Role.OPERATOR)
def ignore_error(request: HttpRequest, group: ErrorGroup, actor: Actor) -> None:
    form = IgnoreForm(request.POST)
    if not form.is_valid():
        faults = " ".join(str(text) for texts in form.errors.values() for text in texts)
        messages.warning(request, f"{faults} {_('Nothing changed.')}")
        return
    until = form.cleaned_data["moment"]
    if group.ignore(actor, until):
        shown = date_format(timezone.localtime(until), "j M Y, H:i T", use_l10n=False)
        messages.success(request, _("Ignored until %(moment)s.") % {"moment": shown})
    else:
        messages.info(request, _why_not(group))


@decision(Role.ADMINISTRATOR)
def change_cause(request: HttpRequest, group: ErrorGroup, actor: Actor) -> None:
    form = CauseForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("The catalogue has no cause with this id. Nothing changed."))
    elif group.choose_cause(actor, form.cleaned_data["cause"]):
        messages.success(request, _("The cause was changed."))
    else:
        messages.info(request, _("It has this cause already. Nothing changed."))


def _offer_to_acknowledge(request: HttpRequest, group: ErrorGroup) -> None:
    """What was resolved may still have failures that ask for a person."""
    [row] = error_rows([group], timezone.now())
    if row.open_failures:
        address = urlencode({"fingerprint": group.fingerprint, "triage": "open", "range": "all"})
        messages.info(
            request,
            format_html(
                '{} <a href="{}?{}">{}</a>',
                ngettext(
                    "%(n)s of its failures is still open.",
                    "%(n)s of its failures are still open.",
                    row.open_failures.number,
                )
                % {"n": row.open_failures},
                reverse("operations"),
                address,
                _("Acknowledge them"),
            ),
        )


def _why_not(group: ErrorGroup) -> str:
    """Somebody was faster: what the group is by now."""
    now = find_group(group.fingerprint)
    status = ErrorStatus(now.status)
    if status is ErrorStatus.RESOLVED:
        return _("Already resolved by %(name)s. Nothing changed.") % {"name": now.resolved_by}
    if status is ErrorStatus.IGNORED:
        return _("It is ignored until then already. Nothing changed.")
    return _("It is open already. Nothing changed.")
