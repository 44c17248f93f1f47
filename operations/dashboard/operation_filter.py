"""The filter of a list of operations: read from an address, put into words, written as one."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.dashboard.filters import ANY_TIME, Option, Parameters
from operations.dashboard.presentation.numbers import exact_duration
from operations.dashboard.presentation.operations import first_sentence
from operations.marks import OPERATION_MARKS, TRIAGE_MARKS
from operations.models import Application, ErrorGroup, OperationStatus, Triage
from operations.models.connection import CONNECTION_ID
from operations.selection import OperationSelection

#: The list of all operations begins with these; the list of one connection with all.
DEFAULT_RANGE = "7d"
STATUS_LABELS = {mark.word: mark.label for mark in OPERATION_MARKS.values()}
TRIAGE_LABELS = {mark.value: mark.label for mark in TRIAGE_MARKS.values()}
#: What the form offers for "took longer than", in seconds; an address may name any number.
DURATIONS = (60, 300, 900, 3600, 6 * 3600, 86_400)
LONGEST_CODE = 255
#: Applications that the form offers, by name; an address may name any.
APPLICATIONS = 100

GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
SECONDS = re.compile(r"[1-9][0-9]{0,7}")
FINGERPRINT = re.compile(r"[0-9a-f]{32}")


def read_selection(
    parameters: Parameters, *, connection: str = "", default_range: str = DEFAULT_RANGE
) -> OperationSelection:
    """The filter that an address asks for. ``connection`` is the one whose list it is, if any."""
    statuses = parameters.several("status", _("Status"), STATUS_LABELS)
    triages = parameters.several("triage", _("Triage"), TRIAGE_LABELS)
    connections = [connection]
    if not connection:
        connections = parameters.texts("connection", _("Connection"), CONNECTION_ID)
    code = parameters.words("code", _("Error code"), LONGEST_CODE)
    text = parameters.words("text", _("Error says"))
    application = parameters.text("application", _("Application"), GUID, _application_name)
    span = parameters.span(_("Requested"), default_range)
    over = parameters.text("over", _("Duration"), SECONDS, _over)
    stuck = parameters.flag("stuck", _("Duration"), _("stuck"))
    fingerprint = parameters.text("fingerprint", _("Error"), FINGERPRINT, _error_sentence)
    return OperationSelection(
        statuses=tuple(status for word in statuses if (status := OperationStatus.from_word(word))),
        triages=tuple(Triage(value) for value in triages),
        connections=tuple(connections),
        code=code,
        text=text,
        application=UUID(application) if application else None,
        since=span.since,
        until=span.until,
        longer_than=int(over) if over else None,
        stuck=stuck,
        fingerprint=fingerprint,
    )


def address(selection: OperationSelection) -> str:
    """The query string that ``read_selection`` reads as this selection, which has no keys."""
    pairs: list[tuple[str, str]] = [("status", status.word) for status in selection.statuses]
    pairs += [("triage", triage.value) for triage in selection.triages]
    pairs += [("connection", graph_id) for graph_id in selection.connections]
    given = {
        "code": selection.code,
        "text": selection.text,
        "application": selection.application,
        "since": selection.since and selection.since.isoformat(),
        "until": selection.until and selection.until.isoformat(),
        "range": "" if selection.since or selection.until else ANY_TIME,
        "over": selection.longer_than,
        "stuck": 1 if selection.stuck else "",
        "fingerprint": selection.fingerprint,
    }
    return urlencode([*pairs, *((name, str(value)) for name, value in given.items() if value)])


def in_words(selection: OperationSelection) -> list[tuple[str, str]]:
    """What each condition is called, and what it asks for."""
    if selection.keys is not None:
        number = len(selection.keys)
        selected = ngettext("%(n)s selected row", "%(n)s selected rows", number)
        return [(_("Operations"), selected % {"n": f"{number:,}"})]
    parameters = Parameters(QueryDict(address(selection)))
    read_selection(parameters)
    words = [(chip.label, chip.value) for chip in parameters.chips]
    return words or [(_("Operations"), _("all of them"))]


def application_options(chosen: UUID | None) -> list[Option]:
    """The applications that a form offers."""
    names = dict(Application.objects.order_by("name").values_list("app_id", "name")[:APPLICATIONS])
    if chosen and chosen not in names:
        names[chosen] = str(chosen)
    return [Option(str(app_id), name, app_id == chosen) for app_id, name in names.items()]


def duration_options(chosen: int | None) -> list[Option]:
    """The durations that a form offers."""
    offered = sorted({*DURATIONS, *([chosen] if chosen else [])})
    return [Option(str(number), _over(str(number)), number == chosen) for number in offered]


def _over(seconds: str) -> str:
    return _("over %(time)s") % {"time": exact_duration(timedelta(seconds=int(seconds)))}


def _application_name(app_id: str) -> str:
    return (
        Application.objects.filter(app_id=app_id).values_list("name", flat=True).first() or app_id
    )


def _error_sentence(fingerprint: str) -> str:
    group = ErrorGroup.objects.filter(fingerprint=fingerprint).first()
    return first_sentence(str(group)) if group else fingerprint
