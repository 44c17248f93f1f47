"""What the buttons do. Changes are POSTs; a refusal is a sentence on the page that comes back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from operations import provisioning, runs
from operations.access import person
from operations.dashboard.forms import NOTE_LENGTH, AcknowledgeForm, ThemeForm
from operations.dashboard.guard import page
from operations.dashboard.live import keep_preference
from operations.dashboard.lookups import find_operation, find_run, last_decision
from operations.dashboard.presentation.operation import already
from operations.dashboard.presentation.runs import ROLES
from operations.errors import GraphError
from operations.models import Actor, BulkAction, BulkRun, Channel, ConnectionOperation
from operations.roles import Role

Act = Callable[[HttpRequest, ConnectionOperation, Actor], None]


def action(act: Act) -> Callable[..., HttpResponseBase]:
    """A view that does something to one operation and returns to the page it came from.

    A GET (somebody signed in on the way here) shows the operation and changes nothing.
    """

    @page(Role.OPERATOR)
    @wraps(act)
    def view(request: HttpRequest, connection_id: str, operation_id: str) -> HttpResponse:
        own_page = reverse("operation", args=[connection_id, operation_id])
        if request.method != "POST":
            return redirect(own_page)
        try:
            operation = find_operation(connection_id, operation_id)
        except Http404 as missing:
            gone = _("It may have been deleted just now.")
            messages.warning(request, f"{missing} {gone}")
            return redirect("operations")
        try:
            act(request, operation, person(request, Channel.DASHBOARD))
        except GraphError as refusal:
            messages.warning(request, f"{refusal} {_('Nothing changed.')}")
        return _back(request, own_page)

    return view


@action
def retry(request: HttpRequest, operation: ConnectionOperation, actor: Actor) -> None:
    new = provisioning.retry(operation, actor)
    messages.success(
        request,
        format_html(
            _('Retry requested. <a href="{}">The new operation</a> waits for a worker.'),
            reverse("operation", args=[operation.connection.graph_id, new.graph_id]),
        ),
    )


@action
def acknowledge(request: HttpRequest, operation: ConnectionOperation, actor: Actor) -> None:
    form = AcknowledgeForm(request.POST)
    if not form.is_valid():
        messages.warning(
            request,
            _("A note is plain text of at most %(limit)s characters. Nothing changed.")
            % {"limit": f"{NOTE_LENGTH:,}"},
        )
    elif operation.acknowledge(actor, form.cleaned_data["note"]):
        messages.success(
            request,
            format_html(
                _('Acknowledged: <a href="{}">a failure of {}</a>.'),
                reverse("operation", args=[operation.connection.graph_id, operation.graph_id]),
                operation.connection.name,
            ),
        )
    else:
        messages.info(request, already(operation, last_decision(operation)))


def run_action(act: Callable[[HttpRequest, BulkRun], None]) -> Callable[..., HttpResponseBase]:
    """A view that does something to an action on many and returns to its page."""

    @page(Role.OPERATOR)
    @wraps(act)
    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        run = find_run(run_id)
        ROLES[BulkAction(run.action)].require(request.user)
        if request.method == "POST":
            act(request, run)
        return redirect("run", run_id)

    return view


@run_action
def continue_run(request: HttpRequest, run: BulkRun) -> None:
    runs.run_some(run)


@run_action
def stop_run(request: HttpRequest, run: BulkRun) -> None:
    if not runs.stop(run, person(request, Channel.DASHBOARD)):
        messages.info(request, _("It had ended already. Nothing changed."))


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep light, dark or auto in a cookie; the frame reads it."""
    response = _back(request, reverse("overview"))
    form = ThemeForm(request.POST)
    if form.is_valid():
        keep_preference(response, "theme", form.cleaned_data["theme"])
    return response


def _back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """To the page that the form came from, if that is one of ours."""
    return HttpResponseRedirect(way_back(request, request.POST.get("next", ""), otherwise))


def way_back(request: HttpRequest, wanted: str, otherwise: str) -> str:
    """The address that is wanted if it is one of ours, or the other."""
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours and wanted.startswith("/") else otherwise
