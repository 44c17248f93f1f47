"""The id of an operation: an opaque string, ours or the caller's own (design 4)."""

from __future__ import annotations

import re
import uuid

from django.core.exceptions import ValidationError

from operations.errors import Fault

OPERATION_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def operation_id_fault(graph_id: str) -> Fault | None:
    """What is wrong with an operation id that a caller chose, or None. The rule is our choice."""
    if not OPERATION_ID.fullmatch(graph_id) or graph_id in (".", ".."):
        return Fault(
            "InvalidIdentifier",
            "Property 'id' must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ - and not '.' or '..'.",
            "id",
        )
    return None


def validate_operation_id(graph_id: str) -> None:
    """The same rule as a model validator, for the admin."""
    if fault := operation_id_fault(graph_id):
        raise ValidationError(fault.message, code=fault.code)


def new_operation_id() -> str:
    return str(uuid.uuid4())
