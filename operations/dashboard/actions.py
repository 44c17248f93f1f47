"""What the buttons do. Changes are POSTs; a refusal is a sentence on the page that comes back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from operations import provisioning
from operations.access import person
from operations.dashboard.forms import NOTE_LENGTH, AcknowledgeForm, ThemeForm
from operations.dashboard.guard import page
from operations.dashboard.live import YEAR
from operations.dashboard.lookups import find_operation
from operations.errors import GraphError
from operations.models import Actor, Channel, ConnectionOperation, Triage
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
            messages.warning(request, f"{missing} It may have been deleted just now.")
            return redirect("operations")
        try:
            act(request, operation, person(request, Channel.DASHBOARD))
        except GraphError as refusal:
            messages.warning(request, f"{refusal} Nothing changed.")
        return _back(request, own_page)

    return view


@action
def retry(request: HttpRequest, operation: ConnectionOperation, actor: Actor) -> None:
    new = provisioning.retry(operation, actor)
    messages.success(
        request,
        format_html(
            'Retry requested. <a href="{}">The new operation</a> waits for a worker.',
            reverse("operation", args=[operation.connection.graph_id, new.graph_id]),
        ),
    )


@action
def acknowledge(request: HttpRequest, operation: ConnectionOperation, actor: Actor) -> None:
    form = AcknowledgeForm(request.POST)
    if not form.is_valid():
        messages.warning(
            request,
            f"A note is plain text of at most {NOTE_LENGTH:,} characters. Nothing changed.",
        )
    elif operation.acknowledge(actor, form.cleaned_data["note"]):
        messages.success(request, f"Acknowledged: {operation.connection.name}.")
    else:
        messages.info(request, _why_not_open(operation))


def _why_not_open(operation: ConnectionOperation) -> str:
    return {
        Triage.ACKNOWLEDGED: "Already acknowledged by somebody else. Nothing changed.",
        Triage.SUPERSEDED: "A later success has settled it already. Nothing changed.",
    }.get(Triage(operation.triage), "Only a failure can be acknowledged. Nothing changed.")


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep light, dark or auto in a cookie; the frame reads it."""
    response = _back(request, reverse("overview"))
    form = ThemeForm(request.POST)
    if form.is_valid():
        response.set_cookie("theme", form.cleaned_data["theme"], max_age=YEAR, samesite="Lax")
    return response


def _back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """To the page that the form came from, if that is one of ours."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(wanted if ours else otherwise)
