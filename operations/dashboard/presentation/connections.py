"""Connections: their health with the reason for it, and the row that a list shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from operations.dashboard.presentation.numbers import age, coarse_duration
from operations.dashboard.presentation.operations import OperationRow, error_sentence
from operations.marks import HEALTH_MARKS, Mark, connection_mark
from operations.models import ConnectionOperation, ExternalConnection
from operations.models.health import Health


@dataclass(frozen=True)
class HealthShown:
    """A health as a badge, with the reason in a sentence."""

    mark: Mark
    reason: str


def health_shown(
    health: Health,
    latest: ConnectionOperation | None,
    failure: ConnectionOperation | None,
    now: datetime,
) -> HealthShown:
    """``failure`` is the connection's newest open one."""
    return HealthShown(HEALTH_MARKS[health], _reason(health, latest, failure, now))


def _reason(
    health: Health,
    latest: ConnectionOperation | None,
    failure: ConnectionOperation | None,
    now: datetime,
) -> str:
    if health == Health.STUCK and latest:
        advice = (
            "See whether a worker runs."
            if latest.is_workers
            else "Ask the service that reports it."
        )
        going_on = coarse_duration(now - latest.created_at)
        return f"An operation has not ended for {going_on}. {advice}"
    if health == Health.WORKING and latest:
        return f"The latest operation was requested {age(latest.created_at, now)}."
    if health == Health.ATTENTION and failure:
        earlier = "" if failure == latest else "An earlier failure is open: "
        return earlier + error_sentence(failure)
    return REASONS.get(health, "")


REASONS = {
    Health.DELETING: "It is being deleted. Its id is free again when the deletion ends.",
    Health.STUCK: "An operation does not end.",
    Health.WORKING: "An operation is in progress.",
    Health.ATTENTION: "A failure is open.",
    Health.LIMITED: "It takes no new items until it is below the limit.",
    Health.OBSOLETE: "It can only be read and deleted.",
    Health.DRAFT: "It has no schema in force yet. Next step: register one.",
    Health.HEALTHY: "It accepts items.",
    Health.UNKNOWN: "Its state is a newer value that this version cannot name.",
}


@dataclass(frozen=True)
class ConnectionRow:
    """One connection as the list shows it."""

    connection: ExternalConnection
    latest: OperationRow | None

    @property
    def key(self) -> int:
        return self.connection.pk

    @property
    def mark(self) -> Mark:
        return connection_mark(self.connection)
