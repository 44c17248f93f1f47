"""A recorded change as lists and its own page show it, and the changes of one request together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from django.urls import reverse

from operations.dashboard.presentation.differences import Difference, differences
from operations.models import Change

#: Differences that a list shows of a change before it folds the others.
SHOWN = 4
#: Characters of a value in a list; the page of the change has the whole.
LONGEST = 4000

#: How the subject of a change names an application; its name may hold anything.
APPLICATION = re.compile(r"(?P<name>.*) \((?P<id>[0-9a-f-]{36})\)", re.DOTALL)
#: Where a change keeps the id of what else it can be about.
MEMBER_WITH_ID = {"error": "fingerprint", "run": "run"}


@dataclass(frozen=True)
class Subject:
    """What a change is about when it is about no connection, or about something in one."""

    kind: str  # the first word of the action: application, error, run, outcomeRule, item, group
    name: str
    id: str

    @classmethod
    def of(cls, change: Change) -> Subject:
        kind = change.action.partition(".")[0]
        named = APPLICATION.fullmatch(change.subject) if kind == "application" else None
        if named:
            return cls(kind, named["name"], named["id"])
        found = (change.after or {}).get(MEMBER_WITH_ID.get(kind, ""), "")
        return cls(kind, change.subject, found if isinstance(found, str) else "")


@dataclass(frozen=True)
class Existing:
    """What of that which changes name is still there. Ids are without hyphens.

    ``items`` and ``groups`` have the key of each, by that of its connection and its id.
    """

    connections: frozenset[int] = frozenset()
    operations: frozenset[int] = frozenset()
    applications: frozenset[str] = frozenset()
    errors: frozenset[str] = frozenset()
    items: Mapping[tuple[int, str], int] = field(default_factory=dict)
    groups: Mapping[tuple[int, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class ActivityRow:
    """One change. The addresses are empty for what no longer exists."""

    change: Change
    existing: Existing
    longest: int | None = LONGEST

    @property
    def key(self) -> int:
        return self.change.pk

    @property
    def label(self) -> str:
        return self.change.get_action_display()

    @property
    def request_id(self) -> str:
        return self.change.request_id

    @cached_property
    def subject(self) -> Subject:
        return Subject.of(self.change)

    @property
    def who(self) -> str:
        """What kind of actor, and by which way in; once when both are the same word."""
        kind, channel = self.change.get_actor_kind_display(), self.change.get_channel_display()
        return kind if kind == channel else f"{kind} · {channel}"

    @property
    def connection_address(self) -> str:
        if self.change.connection_key not in self.existing.connections:
            return ""
        return reverse("connection", args=[self.change.connection_graph_id])

    @property
    def operation_address(self) -> str:
        if self.change.operation_key not in self.existing.operations:
            return ""
        return reverse(
            "operation", args=[self.change.connection_graph_id, self.change.operation_graph_id]
        )

    @property
    def subject_address(self) -> str:
        bare = self.subject.id.replace("-", "")
        if self.subject.kind == "application" and bare in self.existing.applications:
            return f"{reverse('applications')}{self.subject.id}/"
        if self.subject.kind == "error" and bare in self.existing.errors:
            return reverse("error", args=[self.subject.id])
        place = self.change.connection_key or 0, self.change.subject
        if self.subject.kind == "item" and place in self.existing.items:
            key = self.existing.items[place]
            return reverse("item", args=[self.change.connection_graph_id, key])
        if self.subject.kind == "group" and place in self.existing.groups:
            key = self.existing.groups[place]
            return reverse("group", args=[self.change.connection_graph_id, key])
        if self.subject.kind == "run" and self.subject.id:  # runs are kept
            return reverse("run", args=[self.subject.id])
        return ""

    @property
    def actor_address(self) -> str:
        app_id = self.change.actor_app_id
        if app_id is None or app_id.hex not in self.existing.applications:
            return ""
        return f"{reverse('applications')}{app_id}/"

    @cached_property
    def differences(self) -> list[Difference]:
        return differences(self.change.before, self.change.after, self.longest)

    @property
    def shown(self) -> list[Difference]:
        return self.differences[:SHOWN]

    @property
    def folded(self) -> list[Difference]:
        return self.differences[SHOWN:]


@dataclass(frozen=True)
class ActivityGroup:
    """Consecutive changes of one request, newest first; what has no request id stands alone."""

    rows: list[ActivityRow]

    @property
    def key(self) -> int:
        return self.rows[0].key

    @property
    def request_id(self) -> str:
        return self.rows[0].request_id

    @property
    def has_heading(self) -> bool:
        return len(self.rows) > 1


def grouped(rows: Iterable[ActivityRow]) -> Iterator[ActivityGroup]:
    for _same, together in groupby(rows, key=lambda row: row.request_id or row.key):
        yield ActivityGroup(list(together))
