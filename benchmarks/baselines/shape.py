"""An operation as JSON: the same three members in every baseline that does not serialize itself."""

from __future__ import annotations

from typing import Any

STATUSES = ("unspecified", "inprogress", "completed", "failed", "unknownFutureValue")
INPROGRESS, COMPLETED, FAILED = 1, 2, 3


def shape(row: Any) -> dict[str, Any]:
    error = None
    if row.status == FAILED:
        error = {"code": row.error_code, "message": row.error_message, "target": row.error_target}
    return {"id": row.graph_id, "status": STATUSES[row.status], "error": error}
