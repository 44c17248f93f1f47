"""Actions on many operations: what they are called, what they do, how far a run has come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from operations.dashboard.presentation.numbers import Count
from operations.marks import Mark
from operations.models import BulkAction, BulkRun
from operations.models.bulk_run import Outcome, Skip
from operations.roles import SETS_OUTCOMES, Role

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ROLES = {
    BulkAction.RETRY: Role.OPERATOR,
    BulkAction.ACKNOWLEDGE: Role.OPERATOR,
    BulkAction.FAIL: SETS_OUTCOMES,
    BulkAction.COMPLETE: SETS_OUTCOMES,
}
#: What an action does, before it is confirmed.
EFFECTS: dict[BulkAction, StrOrPromise] = {
    BulkAction.RETRY: gettext_lazy(
        "Each failed registration that is the latest of its connection is requested again, as a "
        "new operation. The failures stay in the history."
    ),
    BulkAction.ACKNOWLEDGE: gettext_lazy(
        "These failures are taken off the list of what needs a person. Nothing else changes."
    ),
    BulkAction.FAIL: gettext_lazy(
        "They end as failed, with the error that you give; whoever polls them reads it. A failed "
        "operation stays failed: this cannot be undone."
    ),
    BulkAction.COMPLETE: gettext_lazy(
        "They end as completed, for whoever polls them too. A completed operation stays completed: "
        "this cannot be undone. What our worker runs is left to it."
    ),
}
SKIPS: dict[str, StrOrPromise] = {
    Skip.NOT_FAILED: gettext_lazy("It has not failed."),
    Skip.REPORTED: gettext_lazy(
        "Another service reports it, and only that service can report a new one."
    ),
    Skip.FOLLOWED: gettext_lazy("A newer registration of the connection exists."),
    Skip.ACKNOWLEDGED: gettext_lazy("It was acknowledged already."),
    Skip.SUPERSEDED: gettext_lazy("A later success has settled it."),
    Skip.COMPLETED: gettext_lazy("It had completed already."),
    Skip.FAILED: gettext_lazy("It had failed already."),
}
RUNNING = Mark("inprogress", gettext_lazy("Running"), "arc")
ENDED = Mark("completed", gettext_lazy("Finished"), "tick")
STOPPED = Mark("unspecified", gettext_lazy("Stopped"), "dash")


def title(action: BulkAction, number: Count) -> str:
    """``Retry 12 operations``, also the words of the button that does it."""
    n = number.number
    sentences = {
        BulkAction.RETRY: ngettext("Retry %(n)s operation", "Retry %(n)s operations", n),
        BulkAction.ACKNOWLEDGE: ngettext(
            "Acknowledge %(n)s failure", "Acknowledge %(n)s failures", n
        ),
        BulkAction.FAIL: ngettext(
            "Mark %(n)s operation as failed", "Mark %(n)s operations as failed", n
        ),
        BulkAction.COMPLETE: ngettext(
            "Mark %(n)s operation as completed", "Mark %(n)s operations as completed", n
        ),
    }
    return sentences[action] % {"n": number}


@dataclass(frozen=True)
class Reason:
    """Why rows were skipped or refused, how many, and the first of them (connection id, id)."""

    why: str
    count: Count
    examples: list[tuple[str, str]]

    @property
    def others(self) -> Count:
        """How many are not named."""
        return Count(self.count.number - len(self.examples))


@dataclass(frozen=True)
class RunShown:
    """A run, ready to print."""

    run: BulkRun

    @property
    def title(self) -> str:
        return title(BulkAction(self.run.action), Count(self.run.expected))

    @property
    def mark(self) -> Mark:
        if self.run.finished_at is None:
            return RUNNING
        return STOPPED if self.run.stopped_by else ENDED

    @property
    def handled(self) -> Count:
        return Count(self.run.done + self.run.skipped + self.run.refused)

    @property
    def expected(self) -> Count:
        return Count(self.run.expected)

    @property
    def gone(self) -> Count:
        """Rows that matched at the start and not any more when their turn came."""
        if self.run.finished_at is None or self.run.stopped_by:
            return Count(0)
        return Count(max(0, self.run.expected - self.handled.number))

    @property
    def tallies(self) -> list[tuple[str, StrOrPromise, Count]]:
        return [
            ("done", _("done"), Count(self.run.done)),
            ("skipped", _("skipped"), Count(self.run.skipped)),
            ("refused", _("refused"), Count(self.run.refused)),
        ]

    @cached_property
    def skipped(self) -> list[Reason]:
        return self._reasons(Outcome.SKIPPED)

    @cached_property
    def refused(self) -> list[Reason]:
        return self._reasons(Outcome.REFUSED)

    def _reasons(self, outcome: Outcome) -> list[Reason]:
        groups = self.run.reasons.get(outcome.value, {}).values()
        reasons = [
            Reason(
                str(SKIPS.get(group["why"], group["why"])) or _("Other reasons."),
                Count(group["count"]),
                [(connection, operation) for connection, operation in group["examples"]],
            )
            for group in groups
        ]
        return sorted(reasons, key=lambda reason: -reason.count.number)
