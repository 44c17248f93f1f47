"""The states of an operation and the moves between them, as rules: no row is touched here.

worker:    inprogress, not started --claim--> inprogress, started --> completed
               (queued)                          (running)       \\-> failed + error
reported:  unspecified --> inprogress --> completed | failed
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from typing import Any

from django.db import models

from operations.errors import InvalidRequest
from operations.fingerprints import fingerprint
from operations.masking import mask_json
from operations.models.enums import OperationStatus

TERMINAL = (OperationStatus.COMPLETED, OperationStatus.FAILED)
MOVES = {
    OperationStatus.UNSPECIFIED: (
        OperationStatus.INPROGRESS,
        OperationStatus.COMPLETED,
        OperationStatus.FAILED,
    ),
    OperationStatus.INPROGRESS: TERMINAL,
    OperationStatus.COMPLETED: (),
    OperationStatus.FAILED: (),
    OperationStatus.UNKNOWN_FUTURE_VALUE: (),
}
#: Where each member of a publicError is kept; null in a column means that it was not given.
ERROR_COLUMNS = {
    "code": "error_code",
    "message": "error_message",
    "target": "error_target",
    "details": "error_details",
    "innerError": "error_inner",
}


#: What every operation holds that has not failed.
NO_ERROR: dict[str, Any] = {**dict.fromkeys(ERROR_COLUMNS.values()), "fingerprint": ""}


class Keep(Enum):
    """Tells "no error was sent" from "null was sent"."""

    KEEP = "keep"


KEEP = Keep.KEEP


class Kind(models.TextChoices):
    SCHEMA_REGISTRATION = "schemaRegistration", "Schema registration"
    REPORTED = "reported", "Reported by a service"


class Triage(models.TextChoices):
    """What became of a failure. Only open ones ask for a person."""

    NONE = "", "—"
    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    SUPERSEDED = "superseded", "Superseded"


def same_json(one: Any, other: Any) -> bool:
    """Whether two documents are the same JSON: in Python, True == 1 == 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def error_columns(error: dict[str, Any] | None) -> dict[str, Any]:
    """What a failure with this parsed publicError holds, without the secrets in it; the columns
    are None for no error."""
    given = mask_json(error or {})
    return {
        **{column: given.get(member) for member, column in ERROR_COLUMNS.items()},
        "fingerprint": fingerprint(given.get("code"), given.get("target"), given.get("message")),
    }


def check_error_fits(status: OperationStatus, error: dict[str, Any] | None) -> None:
    """Raise InvalidRequest when there is an error and the status is not failed."""
    if error is not None and status != OperationStatus.FAILED:
        raise InvalidRequest.of(
            "ErrorRequiresFailedStatus",
            f"Property 'error' is only allowed with status 'failed', not with '{status.word}'.",
            "error",
        )


def outcome_columns(
    status: OperationStatus, error: dict[str, Any] | None, now: datetime | Any
) -> dict[str, Any]:
    """What a row holds once it has this status: error, finished time, triage, no lease."""
    return {
        "status": status,
        "finished_at": now if status in TERMINAL else None,
        "triage": Triage.OPEN if status == OperationStatus.FAILED else Triage.NONE,
        "worker": "",
        "lease_until": None,
        "overdue_at": None,
        **(error_columns(error) if status == OperationStatus.FAILED else NO_ERROR),
    }
