"""The overview's rows: what needs a person, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from operations.causes import Catalogue
from operations.dashboard.presentation.errors import probable_cause
from operations.dashboard.presentation.operations import OperationRow
from operations.models import ConnectionOperation, ErrorGroup


@dataclass(frozen=True)
class AttentionRow(OperationRow):
    """A stuck operation or an open failure, with the probable cause or what to look at."""

    cause: str = ""

    @property
    def at(self) -> datetime:
        """When it failed; of one that does not end, when it was requested."""
        return self.operation.finished_at or self.operation.created_at


def attention_row(
    operation: ConnectionOperation, group: ErrorGroup | None, catalogue: Catalogue, now: datetime
) -> AttentionRow:
    """``group`` is that of the failure; its cause may have been chosen by hand."""
    if operation.is_stuck(now):
        advice = (
            _("See whether a worker runs.")
            if operation.is_workers
            else _("Ask the service that reports it.")
        )
        return AttentionRow(operation, now, advice)
    cause = probable_cause(group, operation, catalogue) if group else None
    return AttentionRow(operation, now, cause.title if cause else "")
