"""Graph JSON -> values for the domain. Finds everything that is wrong with a body at once."""

from __future__ import annotations

import uuid
from typing import Any

from operations.api.representation import (
    BETA_CONNECTION_MEMBERS,
    CONNECTION_MEMBERS,
    OPERATION_MEMBERS,
    Json,
)
from operations.errors import Fault, InvalidRequest, invalid, required, undeclared
from operations.models import KEEP, ContentCategory, GraphEnum, OperationStatus
from operations.models.connection import MAX_NAME, connection_id_fault
from operations.models.operation import operation_id_fault
from operations.public_error import parse_public_error
from operations.schema_rules import SENTINEL

CONTENT_EXPERIENCES = {"search": "search", "compliance": "compliance"}
#: Navigation properties: declared, but not set through the connection's own body.
NAVIGATION = ("operations", "items", "groups", "schema", "quota")


class _Reader:
    """Collects faults while members are read; ``done`` raises them all together."""

    def __init__(self, document: Json, declared: tuple[str, ...]):
        self.document = document
        self.faults: list[Fault] = []
        for member, value in document.items():
            if member in declared or "@" in member:
                continue
            if member in NAVIGATION and not value:
                continue  # generic OData clients send every member they know, as null
            self.faults.append(undeclared(member))

    def given(self, member: str) -> bool:
        return member in self.document

    def text(self, member: str, *, maximum: int | None = None, blank: bool = True) -> str | None:
        value = self.document.get(member)
        if value is None:
            return None
        if not isinstance(value, str):
            self.faults.append(invalid(member, "must be a string"))
        elif not blank and not value.strip():
            self.faults.append(invalid(member, "must not be blank"))
        elif maximum is not None and len(value) > maximum:
            self.faults.append(
                invalid(member, f"must be at most {maximum} characters, not {len(value)}")
            )
        else:
            return value
        return None

    def complex(self, member: str) -> Json | None:
        value = self.document.get(member)
        if value is not None and not isinstance(value, dict):
            self.faults.append(invalid(member, "must be an object"))
            return None
        return value

    def enum(self, member: str, kind: type[GraphEnum]) -> GraphEnum | None:
        """The member of an enumeration; ``unknownFutureValue`` is the caller's to deal with."""
        word = self.document.get(member)
        known = kind.from_word(word)
        if known is None and word is not None:
            self.faults.append(invalid(member, f"must be one of {', '.join(kind.words())}"))
        return known

    def refuse_sentinel(self, member: str) -> None:
        self.faults.append(invalid(member, f"must not be '{SENTINEL}'"))

    def done(self) -> None:
        if self.faults:
            raise InvalidRequest(self.faults)


def read_new_operation(document: Json) -> Json:
    """Keyword arguments for ``ConnectionOperation.objects.report``; null is absent."""
    reader = _Reader(document, OPERATION_MEMBERS)
    graph_id = reader.text("id")
    if graph_id is not None and (fault := operation_id_fault(graph_id)):
        reader.faults.append(fault)
    status = reader.enum("status", OperationStatus)
    if status == OperationStatus.UNKNOWN_FUTURE_VALUE:
        reader.refuse_sentinel("status")
    error = _read_error(reader)
    reader.done()
    return {
        "graph_id": graph_id,
        "status": OperationStatus.INPROGRESS if status is None else status,
        "error": error,
    }


def read_operation_update(document: Json) -> Json:
    """Keyword arguments for ``ConnectionOperation.move``.

    The key is ignored; so is a status of ``unknownFutureValue`` (graph-contract 2.7). A status of
    null clears it, which is ``unspecified``.
    """
    reader = _Reader(document, OPERATION_MEMBERS)
    status = reader.enum("status", OperationStatus)
    if reader.given("status") and document["status"] is None:
        status = OperationStatus.UNSPECIFIED
    if status == OperationStatus.UNKNOWN_FUTURE_VALUE:
        status = None
    error = _read_error(reader) if reader.given("error") else KEEP
    reader.done()
    return {"status": status, "error": error}


def _read_error(reader: _Reader) -> Json | None:
    if reader.document.get("error") is None:
        return None
    try:
        return parse_public_error(reader.document["error"])
    except InvalidRequest as refusal:
        reader.faults += refusal.faults
        return None


def read_new_connection(document: Json, *, beta: bool) -> Json:
    """Keyword arguments for ``ExternalConnection.objects.register``; null is absent."""
    reader = _connection_reader(document, beta)
    graph_id = reader.text("id")
    if not reader.given("id") or document["id"] is None:
        reader.faults.append(required("id"))
    elif graph_id is not None and (fault := connection_id_fault(graph_id)):
        reader.faults.append(fault)
    if document.get("name") is None:
        reader.faults.append(required("name"))
    present = {key: value for key, value in document.items() if value is not None}
    values = _connection_values(reader, present, beta)
    reader.done()
    return {"graph_id": graph_id, **values}


def read_connection_update(document: Json, *, beta: bool) -> Json:
    """Keyword arguments for ``ExternalConnection.revise``.

    ``id`` and ``state`` are ignored, as OData says of keys and computed properties. Null clears
    an optional member and is refused for one that must have a value.
    """
    reader = _connection_reader(document, beta)
    for member in ("name", "contentCategory"):
        if reader.given(member) and document[member] is None:
            reader.faults.append(invalid(member, "must not be null"))
    values = _connection_values(reader, document, beta)
    reader.done()
    return values


def _connection_reader(document: Json, beta: bool) -> _Reader:
    return _Reader(document, BETA_CONNECTION_MEMBERS if beta else CONNECTION_MEMBERS)


def _connection_values(reader: _Reader, present: Json, beta: bool) -> Json:
    values: Json = {}
    if "name" in present:
        values["name"] = reader.text("name", maximum=MAX_NAME, blank=False)
    if "description" in present:
        values["description"] = reader.text("description")
    if "connectorId" in present:
        values["connector_id"] = reader.text("connectorId", maximum=128) or ""
    if "configuration" in present:
        values["authorized_app_ids"] = _read_configuration(reader)
    if "contentCategory" in present:
        category = reader.enum("contentCategory", ContentCategory)
        if category == ContentCategory.UNKNOWN_FUTURE_VALUE:
            reader.refuse_sentinel("contentCategory")
        values["content_category"] = category
    for member, field in (
        ("activitySettings", "activity_settings"),
        ("searchSettings", "search_settings"),
        ("complianceSettings", "compliance_settings"),
    ):
        if member in present:
            values[field] = reader.complex(member)
    if beta and "enabledContentExperiences" in present:
        values["enabled_content_experiences"] = _read_experiences(reader)
    return values


def _read_configuration(reader: _Reader) -> list[uuid.UUID]:
    configuration = reader.complex("configuration") or {}
    for member in configuration:
        # authorizedApps is the older twin that Graph still shows: what is read can be sent back
        if member not in ("authorizedAppIds", "authorizedApps") and "@" not in member:
            reader.faults.append(undeclared(f"configuration/{member}"))
    app_ids = configuration.get("authorizedAppIds") or []
    where = "configuration/authorizedAppIds"
    if not isinstance(app_ids, list):
        reader.faults.append(invalid(where, "must be a collection"))
        return []
    result = []
    for index, app_id in enumerate(app_ids):
        try:
            result.append(_guid(app_id))
        except ValueError:
            reader.faults.append(
                invalid(f"{where}/{index}", "must be an application (client) id, a GUID")
            )
    return result


def _guid(text: Any) -> uuid.UUID:
    if not isinstance(text, str) or len(text) != 36:
        raise ValueError
    return uuid.UUID(text)


def _read_experiences(reader: _Reader) -> str:
    text = reader.text("enabledContentExperiences") or ""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [CONTENT_EXPERIENCES.get(name.casefold()) for name in names]
    if None in known:
        reader.faults.append(
            invalid(
                "enabledContentExperiences",
                f"must be a comma-separated list of {', '.join(CONTENT_EXPERIENCES)}",
            )
        )
    return ", ".join(dict.fromkeys(name for name in known if name))
