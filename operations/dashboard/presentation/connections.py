"""Connections: their health with the reason for it, and the row that a list shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from operations.connection_rules import MAX_AUTHORIZED_APPS
from operations.dashboard.charts import Strip
from operations.dashboard.presentation.numbers import Count, Total, age, coarse_duration
from operations.dashboard.presentation.operations import OperationRow, error_sentence
from operations.marks import HEALTH_MARKS, Mark, connection_mark
from operations.models import ConnectionOperation, ConnectionState, ExternalConnection, Limit
from operations.models.health import Health
from operations.schema_rules import MAX_PROPERTIES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class HealthShown:
    """A health as a badge, with the reason in a sentence and where to look at it, if anywhere."""

    mark: Mark
    reason: StrOrPromise
    address: str = ""


def health_shown(
    health: Health,
    latest: ConnectionOperation | None,
    failure: ConnectionOperation | None,
    now: datetime,
) -> HealthShown:
    """``failure`` is the connection's newest open one."""
    address = WHERE.get(health, "")
    if health == Health.ATTENTION and failure:
        address = reverse("operation", args=[failure.connection.graph_id, failure.graph_id])
    return HealthShown(HEALTH_MARKS[health], _reason(health, latest, failure, now), address)


def _reason(
    health: Health,
    latest: ConnectionOperation | None,
    failure: ConnectionOperation | None,
    now: datetime,
) -> StrOrPromise:
    if health == Health.STUCK and latest and latest.is_stuck(now):
        going_on = coarse_duration(now - latest.created_at)
        if latest.is_workers:
            return _("An operation has not ended for %(time)s. See whether a worker runs.") % {
                "time": going_on
            }
        return _("An operation has not ended for %(time)s. Ask the service that reports it.") % {
            "time": going_on
        }
    if health == Health.WORKING and latest:
        return _("The latest operation was requested %(ago)s.") % {
            "ago": age(latest.created_at, now)
        }
    if health == Health.ATTENTION and failure:
        if failure == latest:
            return error_sentence(failure)
        return _("An earlier failure is open: %(error)s") % {"error": error_sentence(failure)}
    return REASONS.get(health, "")


#: Addresses on the page of the connection.
WHERE = {
    Health.STUCK: "?tab=operations&stuck=1",
    Health.WORKING: "?tab=operations&status=inprogress",
    Health.DRAFT: "?tab=schema#register",
    Health.LIMITED: "?tab=summary#limits",
}
REASONS: dict[Health, StrOrPromise] = {
    Health.DELETING: gettext_lazy(
        "It is being deleted. Its id is free again when the deletion ends."
    ),
    Health.STUCK: gettext_lazy("An operation does not end."),
    Health.WORKING: gettext_lazy("An operation is in progress."),
    Health.ATTENTION: gettext_lazy("A failure is open."),
    Health.LIMITED: gettext_lazy("It takes no new items until it is below the limit."),
    Health.OBSOLETE: gettext_lazy("It can only be read and deleted."),
    Health.DRAFT: gettext_lazy("It has no schema in force yet. Next step: register one."),
    Health.HEALTHY: gettext_lazy("It accepts items."),
    Health.UNKNOWN: gettext_lazy("Its state is a newer value that this version cannot name."),
}


@dataclass(frozen=True)
class ApplicationShown:
    """An application as pages name it. ``name`` is empty for one that is not registered here."""

    app_id: UUID
    name: str


@dataclass(frozen=True)
class ConnectionRow:
    """One connection as the list shows it. What stands below ``latest`` only the list asks for."""

    connection: ExternalConnection
    latest: OperationRow | None
    health: Mark | None = None
    strip: Strip | None = None
    owner: ApplicationShown | None = None
    authorized: list[ApplicationShown] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    items: Total = Total(0)

    @property
    def deletion(self) -> DeletionShown | None:
        return deletion_shown(self.connection)

    @property
    def key(self) -> int:
        return self.connection.pk

    @cached_property
    def mark(self) -> Mark:
        return connection_mark(self.connection)

    @property
    def health_says_more(self) -> bool:
        """Whether its words are others than those of the state, which stands beside it."""
        return self.health is not None and not _same_words(self.health, self.mark, get_language())

    @property
    def select_label(self) -> str:
        return _("Select %(id)s") % {"id": self.connection.graph_id}


@lru_cache(maxsize=512)
def _same_words(first: Mark, second: Mark, _language: str | None) -> bool:
    return str(first.label) == str(second.label)


@dataclass(frozen=True)
class LimitUsed:
    """How much of something there is, and how much there may be; None where we know no limit."""

    label: str
    used: Count
    limit: int | None = None

    @property
    def nearly(self) -> int:
        """From here on it is getting tight."""
        return (self.limit or 0) * 9 // 10

    @property
    def words(self) -> str:
        if self.limit is None:
            return str(self.used)
        return _("%(used)s of %(limit)s") % {"used": self.used, "limit": f"{self.limit:,}"}

    @property
    def is_near(self) -> bool:
        return bool(self.limit) and self.used.number >= self.nearly


def limits_used(
    properties: int, authorized: int, operations: Count, items: Total, items_in_all: Total
) -> list[LimitUsed]:
    return [
        LimitUsed(_("Items of this connection"), items, settings.ITEMS_PER_CONNECTION),
        LimitUsed(_("Items of all connections"), items_in_all, settings.ITEMS_IN_ALL),
        LimitUsed(_("Schema properties"), Count(properties), MAX_PROPERTIES),
        LimitUsed(_("Authorized applications"), Count(authorized), MAX_AUTHORIZED_APPS),
        LimitUsed(_("Operations"), operations),
    ]


@dataclass(frozen=True)
class LimitAdvice:
    """Why a connection takes no new items, and what to do about it."""

    reason: str
    what_to_do: str
    is_by_hand: bool = False


def limit_advice(
    connection: ExternalConnection, items: Total, items_in_all: Total
) -> LimitAdvice | None:
    """None for a connection that is in another state."""
    if connection.state != ConnectionState.LIMIT_EXCEEDED or connection.deleting_since:
        return None
    by_itself = _("As soon as there is room, it takes items again by itself.")
    if connection.limited_by == Limit.CONNECTION:
        reason = _(
            "It takes no new items: it has %(items)s of %(limit)s that a connection may have."
        )
        numbers = {"items": items, "limit": f"{settings.ITEMS_PER_CONNECTION:,}"}
        to_do = _("Delete items of this connection, or raise ITEMS_PER_CONNECTION.")
        return LimitAdvice(reason % numbers, f"{to_do} {by_itself}")
    if connection.limited_by == Limit.ALL:
        reason = _(
            "It takes no new items: all connections together have %(items)s of %(limit)s that "
            "there may be."
        )
        numbers = {"items": items_in_all, "limit": f"{settings.ITEMS_IN_ALL:,}"}
        to_do = _("Delete items or whole connections, or raise ITEMS_IN_ALL.")
        return LimitAdvice(reason % numbers, f"{to_do} {by_itself}")
    return LimitAdvice(
        _("It takes no new items: somebody has put it into this state by hand."),
        _("No count takes it out of it again. An administrator sets the state to ready by hand."),
        is_by_hand=True,
    )


@dataclass(frozen=True)
class DeletionShown:
    """How far the deletion of a connection has come. ``all`` is 0 where nobody knows."""

    all: int
    gone: int
    left: Total

    @property
    def words(self) -> str:
        if self.all:
            numbers = {"gone": f"{self.gone:,}", "all": f"{self.all:,}"}
            said = ngettext(
                "%(gone)s of %(all)s item gone", "%(gone)s of %(all)s items gone", self.all
            )
            return said % numbers
        if self.left:
            return ngettext("%(n)s item is left", "%(n)s items are left", self.left.number) % {
                "n": self.left
            }
        return _("no item is left")

    @property
    def is_last_step(self) -> bool:
        return not self.left


def deletion_shown(connection: Any) -> DeletionShown | None:
    """Of a connection with its ``item_count``; None for one that is not being deleted."""
    if not connection.deleting_since:
        return None
    left = max(0, connection.item_count)
    everything = connection.deleting_items or 0
    return DeletionShown(everything, max(0, everything - left), Total(left))
