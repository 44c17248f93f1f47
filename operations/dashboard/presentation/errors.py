"""Error groups as the pages show them: the sentence in parts, the cause, the trend."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.causes import Catalogue, Cause
from operations.dashboard.charts import DailyBars, Day, Strip
from operations.dashboard.charts.drawing import grouped
from operations.dashboard.presentation.numbers import Count
from operations.marks import ERROR_MARKS, Mark
from operations.models import Action, Change, ConnectionOperation, ErrorGroup
from operations.models.error_group import ErrorStatus

#: What ``fingerprints.pattern`` puts in the place of what differs.
PLACEHOLDER = re.compile(r"(\{(?:text|url|email|time|ip|id|number)\})")


def in_parts(pattern: str) -> list[tuple[str, bool]]:
    """The text of a pattern, cut into pieces, and whether each is a placeholder."""
    pieces = PLACEHOLDER.split(pattern)
    return [
        (piece.strip("{}") if index % 2 else piece, index % 2 == 1)
        for index, piece in enumerate(pieces)
        if piece
    ]


def probable_cause(
    group: ErrorGroup, newest: ConnectionOperation | None, catalogue: Catalogue
) -> Cause | None:
    """The cause that a person chose, or the first that matches the newest failure of the group.

    When all of them are deleted, what the group itself still knows has to do.
    """
    if chosen := catalogue.by_id(group.cause):
        return chosen
    if newest is None:
        return catalogue.probable(group.code, group.pattern)
    return catalogue.probable(
        newest.error_code, newest.error_message, newest.error_details, newest.error_inner
    )


class FailedDay(Day):
    """A day of one error: nothing completes here."""

    @property
    def sentence(self) -> str:
        return f"{date_format(self.date, 'D j M', use_l10n=False)}: {_times(self.failed)}"


class FailedDays(DailyBars):
    """The bars of one error."""

    is_failures_only = True

    @property
    def sentence(self) -> str:
        return _trend_sentence(self.days)


class FailedStrip(Strip):
    """The strip of one error."""

    @property
    def sentence(self) -> str:
        return _trend_sentence(self.days)


def failed_days(days: Iterable[date], numbers: Iterable[int]) -> list[FailedDay]:
    return [FailedDay(day, 0, number) for day, number in zip(days, numbers, strict=True)]


def _trend_sentence(days: Iterable[Day]) -> str:
    seen = [day.failed for day in days]
    span = ngettext("%(n)s day", "%(n)s days", len(seen)) % {"n": len(seen)}
    return f"{span}: {_times(sum(seen))}"


def _times(number: int) -> str:
    return ngettext("seen once", "seen %(n)s times", number) % {"n": grouped(number)}


@dataclass(frozen=True)
class Decision:
    """One thing that a person decided about a group."""

    change: Change
    catalogue: Catalogue

    @property
    def detail(self) -> str:
        after = self.change.after or {}
        if after.get("ignoredUntil"):
            return _("until %(moment)s") % {"moment": _moment(after["ignoredUntil"])}
        if self.change.action == Action.ERROR_CAUSE_CHANGED:
            chosen = after.get("cause", "")
            cause = self.catalogue.by_id(chosen)
            return (cause.title if cause else chosen) or _("the one that matches")
        return ""


def _moment(text: str) -> str:
    moment = timezone.localtime(datetime.fromisoformat(text))
    return date_format(moment, "j M Y, H:i T", use_l10n=False)


@dataclass(frozen=True)
class CauseEntry:
    """An entry of the catalogue, and whether an administrator wrote it."""

    cause: Cause
    is_theirs: bool

    @property
    def codes(self) -> list[str]:
        return sorted(self.cause.codes)

    @property
    def phrases(self) -> list[str]:
        return [" ".join(words) for words in self.cause.phrases]


@dataclass(frozen=True)
class ErrorRow:
    """One group with what is counted and found out about it."""

    group: ErrorGroup
    newest: ConnectionOperation | None
    catalogue: Catalogue
    open_failures: Count
    connections: int
    days: list[FailedDay]

    @property
    def key(self) -> int:
        return self.group.pk

    @property
    def fingerprint(self) -> str:
        return self.group.fingerprint

    @property
    def status(self) -> ErrorStatus:
        return ErrorStatus(self.group.status)

    @property
    def mark(self) -> Mark:
        return ERROR_MARKS[self.status]

    @property
    def is_calm(self) -> bool:
        return self.status in (ErrorStatus.RESOLVED, ErrorStatus.IGNORED)

    @property
    def parts(self) -> list[tuple[str, bool]]:
        return in_parts(self.group.pattern or self.title)

    @property
    def title(self) -> str:
        """The sentence as plain text."""
        if self.group.pattern:
            return self.group.pattern
        if self.group.code:
            return _("Failed with code %(code)s and no message.") % {"code": self.group.code}
        return _("Failed without an error.")

    @cached_property
    def cause(self) -> Cause | None:
        return probable_cause(self.group, self.newest, self.catalogue)

    @property
    def is_cause_chosen(self) -> bool:
        return self.cause is not None and self.cause.id == self.group.cause

    @property
    def count(self) -> str:
        return grouped(self.group.count)

    @property
    def strip(self) -> FailedStrip:
        return FailedStrip(self.days)
