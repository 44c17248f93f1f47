"""Graph JSON -> values for the domain. Finds everything that is wrong with a body at once."""

from __future__ import annotations

from collections.abc import Callable

from operations.api import edm
from operations.api.representation import (
    BETA_CONNECTION_MEMBERS,
    CONNECTION_MEMBERS,
    OPERATION_MEMBERS,
    Json,
)
from operations.connection_rules import (
    read_activity_settings,
    read_compliance_settings,
    read_configuration,
    read_content_experiences,
    read_search_settings,
)
from operations.errors import Fault, InvalidRequest, invalid, required, undeclared
from operations.models import KEEP, ContentCategory, GraphEnum, OperationStatus
from operations.models.connection import MAX_CONNECTOR_ID, MAX_NAME, connection_id_fault
from operations.models.operation_id import operation_id_fault
from operations.public_error import parse_public_error
from operations.schema_rules import SENTINEL

#: Navigation properties of a connection: declared, and never set through its own body.
NAVIGATION = tuple(entry.name for entry in edm.CONNECTION.navigation)
#: The parts of a connection whose rules are one function: their column, and that function.
SETTINGS: dict[str, tuple[str, Callable[[object], tuple[Json, list[Fault]]]]] = {
    "activitySettings": ("activity_settings", read_activity_settings),
    "searchSettings": ("search_settings", read_search_settings),
    "complianceSettings": ("compliance_settings", read_compliance_settings),
}


class _Reader:
    """Collects faults while members are read; ``done`` raises them all together."""

    def __init__(
        self,
        document: Json,
        declared: tuple[str, ...],
        ignored: tuple[str, ...] = (),
        beta_only: tuple[str, ...] = (),
    ):
        """``ignored``: members that may be there and that nobody reads."""
        self.document = document
        self.faults = [
            undeclared(member, declared, beta_only)
            for member in document
            if member not in declared and member not in ignored and "@" not in member
        ]

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
    reader.faults += [
        invalid(member, "cannot be given with a new connection: it has an address of its own")
        for member in NAVIGATION
        if document.get(member)
    ]
    graph_id = reader.text("id")
    if document.get("id") is None:
        reader.faults.append(required("id"))
    elif graph_id is not None and (fault := connection_id_fault(graph_id)):
        reader.faults.append(fault)
    if document.get("name") is None:
        reader.faults.append(required("name"))
    present = {key: value for key, value in document.items() if value is not None}
    values = _connection_values(reader, present, beta, creating=True)
    reader.done()
    return {"graph_id": graph_id, **values}


def read_connection_update(document: Json, *, beta: bool) -> Json:
    """Keyword arguments for ``ExternalConnection.revise``.

    ``id`` and ``state`` are ignored, as OData says of keys and computed properties. So is what
    ``$expand`` put into an object that was read: related entities change at their own addresses.
    Null clears an optional member and is refused for one that must have a value; the sentinel of
    an enumeration is as good as absent (graph-contract 2.7).
    """
    reader = _connection_reader(document, beta)
    for member in ("name", "contentCategory"):
        if reader.given(member) and document[member] is None:
            reader.faults.append(invalid(member, "must not be null"))
    values = _connection_values(reader, document, beta, creating=False)
    reader.done()
    return values


def _connection_reader(document: Json, beta: bool) -> _Reader:
    declared = BETA_CONNECTION_MEMBERS if beta else CONNECTION_MEMBERS
    return _Reader(document, declared, ignored=NAVIGATION, beta_only=BETA_CONNECTION_MEMBERS)


def _connection_values(reader: _Reader, present: Json, beta: bool, *, creating: bool) -> Json:
    values: Json = {}
    if "name" in present:
        values["name"] = reader.text("name", maximum=MAX_NAME, blank=False)
    if "description" in present:
        values["description"] = reader.text("description")
    if "connectorId" in present:
        values["connector_id"] = reader.text("connectorId", maximum=MAX_CONNECTOR_ID) or ""
    if "configuration" in present:
        sent = present["configuration"]
        app_ids, members, faults = read_configuration({} if sent is None else sent)
        values |= {"authorized_app_ids": app_ids, "open_configuration": members}
        reader.faults += faults
    if "contentCategory" in present:
        category = reader.enum("contentCategory", ContentCategory)
        if category != ContentCategory.UNKNOWN_FUTURE_VALUE:
            values["content_category"] = category
        elif creating:
            reader.refuse_sentinel("contentCategory")
    for member, (column, read) in SETTINGS.items():
        if member in present and (beta or member in CONNECTION_MEMBERS):
            sent = present[member]
            values[column], faults = (None, []) if sent is None else read(sent)
            reader.faults += faults
    if beta and "enabledContentExperiences" in present:
        sent = present["enabledContentExperiences"]
        if not _holds_sentinel(sent):
            experiences, faults = read_content_experiences("" if sent is None else sent)
            values["enabled_content_experiences"] = experiences
            reader.faults += faults
        elif creating:
            reader.refuse_sentinel("enabledContentExperiences")
    return values


def _holds_sentinel(flags: object) -> bool:
    """Whether flags in a text have the one that stands for all of later versions."""
    words = flags.split(",") if isinstance(flags, str) else []
    return SENTINEL.casefold() in (word.strip().casefold() for word in words)
