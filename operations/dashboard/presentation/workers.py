"""Whether a worker lives, as far as its heartbeat tells."""

from __future__ import annotations

from datetime import datetime, timedelta

#: A worker that lives is heard of several times within this.
SILENT_AFTER = timedelta(minutes=1)


def worker_lives(last_heartbeat: datetime | None, now: datetime) -> bool:
    return last_heartbeat is not None and now - last_heartbeat < SILENT_AFTER
