"""``microsoft.graph.publicError``: may this be kept as an error. Pure; all faults at once."""

from __future__ import annotations

from typing import Any

from operations.errors import Fault, InvalidRequest, invalid, undeclared

TEXTS = ("code", "message", "target")
MAX_CODE = 255


def is_annotation(member: str) -> bool:
    """OData control information (``@odata.type``, ``tags@odata.type``): accepted and not kept."""
    return "@" in member


def parse_public_error(document: object, target: str = "error") -> dict[str, Any]:
    """The error with only the members that were given, in Graph's order.

    ``details`` is a list of ``{code, message, target}``; ``innerError`` is an open type, so its
    undeclared members are kept as they are. Raises InvalidRequest with every fault.
    """
    faults: list[Fault] = []
    error = _members(document, target, faults, with_inner=True)
    if not faults and not error:
        faults.append(
            Fault(
                "RequiredPropertyMissing",
                f"Property '{target}' must have at least one of code, message, target, details, "
                "innerError.",
                target,
            )
        )
    if faults:
        raise InvalidRequest(faults)
    return error


def _members(
    document: object,
    path: str,
    faults: list[Fault],
    *,
    with_details: bool = True,
    with_inner: bool = False,
    is_open: bool = False,
) -> dict[str, Any]:
    if not isinstance(document, dict):
        faults.append(invalid(path, "must be an object"))
        return {}
    result: dict[str, Any] = {}
    for text in TEXTS:
        value = document.get(text)
        if value is None:
            continue
        where = f"{path}/{text}"
        if not isinstance(value, str):
            faults.append(invalid(where, "must be a string"))
        elif text == "code" and len(value) > MAX_CODE:
            faults.append(invalid(where, f"must be at most {MAX_CODE} characters"))
        else:
            result[text] = value
    known = set(TEXTS)
    if with_details:
        known.add("details")
        if document.get("details") is not None:
            result["details"] = _details(document["details"], f"{path}/details", faults)
    if with_inner:
        known.add("innerError")
        if document.get("innerError") is not None:
            inner = document["innerError"]
            result["innerError"] = _members(inner, f"{path}/innerError", faults, is_open=True)
    for member, value in document.items():
        if member in known or (is_annotation(member) and not is_open):
            continue
        if is_open:
            result[member] = value
        else:
            faults.append(undeclared(f"{path}/{member}", known))
    return result


def _details(entries: object, path: str, faults: list[Fault]) -> list[dict[str, Any]]:
    if not isinstance(entries, list):
        faults.append(invalid(path, "must be a collection"))
        return []
    return [
        _members(entry, f"{path}/{index}", faults, with_details=False)
        for index, entry in enumerate(entries)
    ]
