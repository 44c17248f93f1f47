"""How statuses, states, triage and health look: class, label, icon shape, Graph's word.

The pages and the admin show the same marks. A mark's ``value`` is the class of its badge
(``badge-failed``), for which the stylesheet has the tone; its ``word`` is what Graph calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from operations.models import (
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    Triage,
)
from operations.models.error_group import ErrorStatus
from operations.models.health import Health

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, eq=False)
class Mark:
    """A status or state as a badge: class, label, icon shape, and Graph's word for the tooltip.

    Each is made once and is only equal to itself, so that its badge can be kept.
    """

    value: str
    label: StrOrPromise
    icon: str
    word: str = ""


QUEUED = Mark("queued", _("Queued"), "ring", "inprogress")
OPERATION_MARKS = {
    OperationStatus.UNSPECIFIED: Mark("unspecified", _("Not specified"), "dash", "unspecified"),
    OperationStatus.INPROGRESS: Mark("inprogress", _("In progress"), "arc", "inprogress"),
    OperationStatus.COMPLETED: Mark("completed", _("Completed"), "tick", "completed"),
    OperationStatus.FAILED: Mark("failed", _("Failed"), "octagon", "failed"),
    OperationStatus.UNKNOWN_FUTURE_VALUE: Mark(
        "unknownFutureValue", _("Unknown value"), "diamond", "unknownFutureValue"
    ),
}
DELETING = Mark("deleting", _("Deleting"), "arc")
STATE_MARKS = {
    ConnectionState.DRAFT: Mark("draft", _("Draft"), "dashed", "draft"),
    ConnectionState.READY: Mark("ready", _("Ready"), "tick", "ready"),
    ConnectionState.OBSOLETE: Mark("obsolete", _("Obsolete"), "square", "obsolete"),
    ConnectionState.LIMIT_EXCEEDED: Mark(
        "limitExceeded", _("Limit exceeded"), "triangle", "limitExceeded"
    ),
    ConnectionState.UNKNOWN_FUTURE_VALUE: Mark(
        "unknownFutureValue", _("Unknown value"), "diamond", "unknownFutureValue"
    ),
}
TRIAGE_MARKS = {
    Triage.OPEN: Mark("open", _("Open"), "octagon"),
    Triage.ACKNOWLEDGED: Mark("acknowledged", _("Acknowledged"), "tick"),
    Triage.SUPERSEDED: Mark("superseded", _("Superseded"), "dash"),
}
ERROR_MARKS = {
    ErrorStatus.NEW: Mark("new", _("New"), "octagon"),
    ErrorStatus.RETURNED: Mark("returned", _("Returned"), "return"),
    ErrorStatus.ONGOING: Mark("ongoing", _("Ongoing"), "triangle"),
    ErrorStatus.IGNORED: Mark("ignored", _("Ignored"), "pause"),
    ErrorStatus.RESOLVED: Mark("resolved", _("Resolved"), "tick"),
}
STUCK = Mark("stuck", _("Stuck"), "triangle")
HEALTH_MARKS = {
    Health.STUCK: STUCK,
    Health.WORKING: Mark("working", _("Working"), "arc"),
    Health.ATTENTION: Mark("attention", _("Needs attention"), "octagon"),
    Health.DELETING: DELETING,
    Health.LIMITED: Mark("limited", _("Limited"), "triangle"),
    Health.OBSOLETE: Mark("obsolete", _("Obsolete"), "square"),
    Health.DRAFT: Mark("draft", _("Set-up not finished"), "dashed"),
    Health.UNKNOWN: STATE_MARKS[ConnectionState.UNKNOWN_FUTURE_VALUE],
    Health.HEALTHY: Mark("healthy", _("Healthy"), "tick"),
}


def operation_mark(operation: ConnectionOperation) -> Mark:
    if operation.is_queued:
        return QUEUED
    return OPERATION_MARKS[OperationStatus(operation.status)]


def connection_mark(connection: ExternalConnection) -> Mark:
    if connection.deleting_since:
        return DELETING
    return STATE_MARKS[ConnectionState(connection.state)]


def badge(mark: Mark) -> SafeString:
    """A mark as HTML. Many stand in a page, so each is made once in each language."""
    return _badge(mark, get_language())


@lru_cache(maxsize=512)
def _badge(mark: Mark, _language: str | None) -> SafeString:
    return render_to_string("dashboard/_badge.html", {"mark": mark})
