"""An action on many operations: the page that asks, and the page that tells how far it is."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations import runs
from operations.access import person
from operations.dashboard.actions import way_back
from operations.dashboard.filters import KEY, Parameters
from operations.dashboard.forms import MESSAGE_LENGTH, NOTE_LENGTH, FailRunForm, RunForm
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE, operation_rows
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_run, newest_heartbeat
from operations.dashboard.operation_filter import address, in_words, read_selection
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.runs import EFFECTS, ROLES, RunShown, title
from operations.models import BulkAction, Channel, ConnectionOperation
from operations.roles import Role
from operations.selection import OperationSelection

#: Rows that can be selected one by one; an address holds hardly more of them.
MAX_SELECTED = 500
#: Parameters of the question itself; all others are a filter of operations.
OF_THE_QUESTION = ("action", "all", "key", "next")


@page(Role.OPERATOR)
def ask_run(request: HttpRequest) -> HttpResponse:
    """Ask before an action on many (GET), then start it (POST to the same address)."""
    action = _action(request)
    ROLES[action].require(request.user)
    parameters, selection = _selection(request)
    back = way_back(request, request.GET.get("next", ""), reverse("operations"))
    if selection is None:
        messages.info(request, _("No row was selected. Nothing changed."))
        return HttpResponseRedirect(back)
    if parameters.ignored and request.method == "POST":
        # what was left out would have narrowed it: more would be meant than was said
        messages.warning(
            request,
            _("Part of the filter means nothing here: %(text)s. Nothing changed.")
            % {"text": ", ".join(parameters.ignored)},
        )
        return HttpResponseRedirect(back)
    form_class = FailRunForm if action == BulkAction.FAIL else RunForm
    form = form_class(
        request.POST if request.method == "POST" else None,
        needs_reason=runs.needs_reason(action, selection),
    )
    if form.is_valid():
        run = runs.start(
            action,
            selection,
            person(request, Channel.DASHBOARD),
            reason=form.cleaned_data["reason"],
            error=form.error(),
            run_id=form.cleaned_data["run_id"],
            last_key=form.cleaned_data["last_key"],
        )
        if run.expected <= runs.IN_REQUEST:
            runs.run_some(run)
        return redirect("run", run.run_id)
    return render(
        request,
        "dashboard/ask_run.html",
        {
            "action": action,
            "effect": EFFECTS[action],
            "parameters": parameters,
            "words": in_words(selection),
            "form": form,
            "back": back,
            "note_length": NOTE_LENGTH,
            "message_length": MESSAGE_LENGTH,
            **_counted(action, selection, form),
        },
    )


def _counted(action: BulkAction, selection: OperationSelection, form: RunForm) -> dict[str, Any]:
    """How many rows are meant, and which of them are touched: those that are there by now."""
    newest = ConnectionOperation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    last_key = form.cleaned_data.get("last_key", newest) if form.is_bound else newest
    now = timezone.now()
    meant = selection.rows(now).filter(pk__lte=last_key)
    touched = runs.touched(action, meant)
    counts = Count.several(matching=meant, touched=touched)
    glimpse = touched.select_related("connection").order_by("-pk")[:GLIMPSE]
    return {
        "title": title(action, counts["matching"]),
        "button": title(action, counts["touched"]),
        "run_id": uuid.uuid4(),
        "last_key": last_key,
        "rows": operation_rows(glimpse, now),
        **counts,
    }


@page(Role.VIEWER)
def run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    found = find_run(run_id)
    try:
        selection = OperationSelection.from_json(found.selection)
        words = in_words(selection)
        list_query = "" if selection.keys is not None else address(selection)
    except ValueError:
        words, list_query = [(_("Operations"), _("What was selected cannot be read."))], ""
    shown = RunShown(found)
    worker = newest_heartbeat() if found.finished_at is None else None
    return live_page(
        request,
        "run",
        {
            "title": shown.title,
            "announce": f"{shown.mark.label}: {shown.handled}" if found.finished_at else "",
            "run": found,
            "shown": shown,
            "words": words,
            "list_query": list_query,
            "may_act": ROLES[BulkAction(found.action)].is_held_by(request.user),
            "worker_lives": bool(worker and worker.is_alive(timezone.now())),
        },
    )


def _action(request: HttpRequest) -> BulkAction:
    try:
        return BulkAction(request.GET.get("action", ""))
    except ValueError:
        raise Http404(_("There is no such action on operations.")) from None


def _selection(request: HttpRequest) -> tuple[Parameters, OperationSelection | None]:
    """What is meant: all that match the filter, or the selected rows; None when nothing is."""
    given = request.GET.copy()
    for name in OF_THE_QUESTION:
        given.pop(name, None)
    parameters = Parameters(given)
    selection = read_selection(parameters)
    parameters.finish()
    if request.GET.get("all"):
        return parameters, selection
    keys = [int(key) for key in request.GET.getlist("key") if KEY.fullmatch(key)]
    selected = OperationSelection(keys=tuple(sorted(set(keys))[:MAX_SELECTED]))
    return Parameters(QueryDict()), selected if keys else None
