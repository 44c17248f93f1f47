"""What a property of an item may hold, by its type in the schema.

A schema is compiled into a ``Shape`` once and checks a million items: each type has a quick
``holds``, and only a value that it refuses is looked at again, to say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from operations.errors import Fault, invalid, shown, undeclared
from operations.item_rules.reading import MAX_FAULTS, SHOWN, Json, found

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
#: What JSON has no numbers for (OData JSON 4.0, 7.1).
DOUBLE_TEXTS = frozenset(("INF", "-INF", "NaN"))
PRINCIPAL = "microsoft.graph.externalConnectors.principal"
PRINCIPAL_MEMBERS = (
    "email",
    "entraDisplayName",
    "entraId",
    "externalId",
    "externalName",
    "tenantId",
    "upn",
)
TYPE = "@odata.type"

_DAY = r"(?!0000)([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,12})?)?"
_DATE_TIME = re.compile(f"{_DAY}T{_CLOCK}{_ZONE}", re.IGNORECASE)
_LOOSE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[T ][0-9]{2}:[0-9]{2}(?::(?P<second>[0-9]{2})(?:\.[0-9]{1,12})?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE,
)

Holds = Callable[[Any], bool]


# What a value is ---------------------------------------------------------------------------------


def is_date_time(value: object) -> bool:
    """Edm.DateTimeOffset, with a real day."""
    match = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    year, month, day = match.groups()
    return day <= "28" or _is_day(int(year), int(month), int(day))


def moment_of(text: str) -> datetime | None:
    """The moment of a text that ``is_date_time``, exact to the microsecond. None where its offset
    takes it out of the years 1 to 9999, which are all that UTC has here."""
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        return None


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_string(value: Any) -> bool:
    return type(value) is str


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_int64(value: Any) -> bool:
    return type(value) is int and INT64_MIN <= value <= INT64_MAX


def _is_double(value: Any) -> bool:
    if type(value) is float:
        return True
    if type(value) is int:
        return _fits_double(value)
    return type(value) is str and value in DOUBLE_TEXTS


def _fits_double(value: int) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _is_principal(value: Any) -> bool:
    return type(value) is dict and all(
        "@" in name or (name in PRINCIPAL_MEMBERS and (text is None or type(text) is str))
        for name, text in value.items()
    )


# What it is instead ------------------------------------------------------------------------------


def date_time_found(value: object) -> str:
    """What stands where a date and time should, for "must be ..., not ..."."""
    if not isinstance(value, str):
        return found(value)
    match = _LOOSE.fullmatch(value)
    if match is None:
        return f"'{value[:SHOWN]}'"
    if not match["time"]:
        return "a date without a time and a zone"
    if not match["zone"]:
        return "one without a zone (Z, or an offset such as +02:00)"
    if match["second"] == "60":
        return "one with a leap second"
    if value[10] == " ":
        return "one with a space in place of the T"
    return f"'{value}', which does not exist"


def _int64_found(value: object) -> str:
    return "a longer one" if type(value) is int else found(value)


def _double_found(value: object) -> str:
    if type(value) is int:
        return "one that is too large for a double"
    return "another string" if type(value) is str else found(value)


# The types ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of values that are no collections."""

    edm: str
    holds: Holds
    #: Continue "must be" and "not".
    rule: str
    found: Callable[[object], str] = found
    is_collection: bool = False

    def faults(self, value: object, path: str, reason: str) -> Iterator[Fault]:
        """Why a value is refused; ``reason`` tells of the schema."""
        yield invalid(path, f"must be {self.rule}, not {self.found(value)}{reason}")


class PrincipalKind(Kind):
    """A complex type: its faults have the paths of its members."""

    __slots__ = ()

    def faults(self, value: object, path: str, reason: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield from Kind.faults(self, value, path, reason)
            return
        for name, text in value.items():
            if "@" in name:
                continue
            where = f"{path}/{name}"
            if name not in PRINCIPAL_MEMBERS:
                yield undeclared(where, PRINCIPAL_MEMBERS)
            elif text is not None and not isinstance(text, str):
                yield invalid(where, f"must be a string or null, not {found(text)}{reason}")


@dataclass(frozen=True, slots=True)
class CollectionKind:
    """A collection of values, none of them null."""

    entry: Kind
    holds: Holds
    is_collection: bool = True

    @property
    def edm(self) -> str:
        return f"Collection({self.entry.edm})"

    def faults(self, value: object, path: str, reason: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield invalid(path, f"must be a collection, not {found(value)}{reason}")
            return
        for index, entry in enumerate(value):
            if not self.entry.holds(entry):
                yield from self.entry.faults(entry, f"{path}/{index}", reason)


STRING = Kind("String", _is_string, "a string")
INT64 = Kind("Int64", _is_int64, "an integer of at most 64 bits", _int64_found)
DOUBLE = Kind("Double", _is_double, "a number or one of 'INF', '-INF', 'NaN'", _double_found)
BOOLEAN = Kind("Boolean", _is_boolean, "true or false")
DATE_TIME = Kind(
    "DateTimeOffset",
    is_date_time,
    "a date and time such as 2024-05-31T08:30:00Z",
    date_time_found,
)
PRINCIPAL_VALUE = PrincipalKind(PRINCIPAL, _is_principal, "an object")


def _strings(value: Any) -> bool:
    return type(value) is list and set(map(type, value)) <= {str}


def _int64s(value: Any) -> bool:
    if type(value) is not list or not set(map(type, value)) <= {int}:
        return False
    return not value or (min(value) >= INT64_MIN and max(value) <= INT64_MAX)


def _all(holds: Holds) -> Holds:
    return lambda value: type(value) is list and all(map(holds, value))


#: propertyType.
KINDS: dict[str, Kind | CollectionKind] = {
    "string": STRING,
    "int64": INT64,
    "double": DOUBLE,
    "dateTime": DATE_TIME,
    "boolean": BOOLEAN,
    "stringCollection": CollectionKind(STRING, _strings),
    "int64Collection": CollectionKind(INT64, _int64s),
    "doubleCollection": CollectionKind(DOUBLE, _all(_is_double)),
    "dateTimeCollection": CollectionKind(DATE_TIME, _all(is_date_time)),
    "principal": PRINCIPAL_VALUE,
    "principalCollection": CollectionKind(PRINCIPAL_VALUE, _all(_is_principal)),
}


def _spellings(edm: str) -> frozenset[str]:
    """What may stand in "x@odata.type", folded and without its number sign."""
    written = [edm]
    if PRINCIPAL not in edm:  # primitive types are in the namespace Edm
        head, bracket, name = edm.rpartition("(")
        written.append(f"{head}{bracket}Edm.{name}")
    return frozenset(text.casefold() for text in written)


_SPELLINGS = {word: _spellings(kind.edm) for word, kind in KINDS.items()}


# The whole bag -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """One property of the schema."""

    word: str
    kind: Kind | CollectionKind
    holds: Holds
    #: The member that must be there besides, of a collection.
    needs: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema as items are checked by it."""

    columns: dict[str, Column]
    names: tuple[str, ...]

    @classmethod
    def of(cls, schema_document: Json) -> Shape:
        """The shape of a schema in canonical form."""
        columns = {}
        for prop in schema_document["properties"]:
            kind = KINDS[prop["type"]]
            needs = f"{prop['name']}{TYPE}" if kind.is_collection else None
            columns[prop["name"]] = Column(prop["type"], kind, kind.holds, needs)
        return cls(columns, tuple(columns))

    def faults(self, bag: Json) -> list[Fault]:
        """All that is wrong with the properties of an item, or a thousand of it."""
        return list(islice(self._faults(bag), MAX_FAULTS))

    def _faults(self, bag: Json) -> Iterator[Fault]:
        columns = self.columns
        has_property = False
        for name, value in bag.items():
            column = columns.get(name)
            if column is None:
                if "@" in name:
                    yield from self._annotation_faults(name, value, bag)
                else:
                    has_property = True
                    yield self._not_in_schema(name)
                continue
            has_property = True
            if value is None:
                continue
            if not column.holds(value):
                reason = f": the type of '{name}' in the schema is {column.word}"
                yield from column.kind.faults(value, f"properties/{name}", reason)
            if column.needs and column.needs not in bag:
                yield Fault(
                    "RequiredPropertyMissing",
                    f"Property 'properties/{column.needs}' is required beside a collection. Add "
                    f'"{column.needs}": "{column.kind.edm}".',
                    f"properties/{column.needs}",
                )
        if not has_property:
            yield Fault(
                "RequiredPropertyMissing",
                "Property 'properties' must have at least one property of the schema.",
                "properties",
            )

    def _not_in_schema(self, name: str) -> Fault:
        path = shown(f"properties/{name}")
        message = f"Property '{path}' is not in the schema of the connection."
        return Fault("PropertyNotDeclared", message, path, self.names)

    def _annotation_faults(self, member: str, text: object, bag: Json) -> Iterator[Fault]:
        """Of "name@term". Those of the bag itself ("@odata.type") may say what they like."""
        name, _, term = member.partition("@")
        if not name:
            return
        path = shown(f"properties/{member}")
        column = self.columns.get(name)
        if column is None:
            if name not in bag:  # otherwise it has been said of the property
                message = (
                    f"Property '{path}' is about '{name[:SHOWN]}', which is not in the schema."
                )
                yield Fault("PropertyNotDeclared", message, path)
        elif f"@{term}" == TYPE:
            if not isinstance(text, str):
                sent = found(text)
            elif text.removeprefix("#").casefold() in _SPELLINGS[column.word]:
                return
            else:
                sent = f"'{text[:SHOWN]}'"
            reason = f"the type of '{name}' in the schema is {column.word}"
            yield invalid(path, f"must be '{column.kind.edm}', not {sent}: {reason}")
