"""What an entity type has: its members, what can be asked about them, and their columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from operations.odata import hints

#: A value as it is kept: a text, or the number of an enumeration's member.
Value = str | int | None
#: How much of a text decides its place in a list. It bounds what a ``$skiptoken`` carries.
SORTED_CHARACTERS = 128
#: What no text column can hold.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
SENTINEL = "unknownFutureValue"


class LiteralKind(Enum):
    """The kinds of literals, by the names of their types."""

    NULL = "null"
    TEXT = "Edm.String"
    INTEGER = "Edm.Int32"
    NUMBER = "Edm.Double"
    TRUTH = "Edm.Boolean"
    WORD = "word"
    ENUM = "enum"


@dataclass(frozen=True)
class Literal:
    """One literal of a filter; ``type_name`` only where the text names it: ``n.colour'red'``."""

    kind: LiteralKind
    text: str = ""
    type_name: str = ""


class WrongType(Exception):
    """A literal that cannot be a value of the property; without text: its type is another."""

    def __init__(self, message: str = "", *, hint: str = ""):
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True)
class Property:
    """A property of a primitive type that can be filtered and sorted by.

    ``apart``: a list sorted by it is read value by value (what is null before or after all else),
    for it may be long, and each of them has an index.
    """

    column: str
    nullable: bool = False
    type_name: str = ""
    apart: bool = False

    def values(self, literal: Literal, *, unmask: bool) -> tuple[Value, ...]:
        """What the literal stands for. Raises WrongType."""
        raise NotImplementedError

    def holds(self, value: object) -> bool:
        """Whether this can be a value of the property as a list sorts it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Text(Property):
    """``Edm.String``.

    ``folded`` is the column that has it in lower case, when two values are the same whatever their
    case; ``blank_is_null`` says that the column keeps null as the empty text; ``long`` that it may
    be longer than what decides its place in a list.
    """

    folded: str = ""
    blank_is_null: bool = False
    long: bool = False
    type_name: str = "Edm.String"

    def values(self, literal: Literal, *, unmask: bool) -> tuple[Value, ...]:
        if literal.kind is LiteralKind.NULL:
            return (None,)
        if literal.kind is not LiteralKind.TEXT:
            raise WrongType(hint=hints.TEXT)
        return (literal.text,)

    def holds(self, value: object) -> bool:
        if value is None:
            return self.nullable
        return (
            isinstance(value, str)
            and len(value) <= SORTED_CHARACTERS
            and not UNSTORABLE.search(value)
        )


@dataclass(frozen=True)
class Enumeration(Property):
    """An enumeration; ``numbers`` are its members in Graph's order, with the number of each."""

    numbers: Mapping[str, int] = field(default_factory=dict)

    def values(self, literal: Literal, *, unmask: bool) -> tuple[Value, ...]:
        """A member in any case of letters, quoted or not.

        Unless the caller prefers to see the members above the sentinel, the sentinel stands for
        all of them and they cannot be named (graph-contract 2.7).
        """
        if literal.kind is LiteralKind.NULL:
            return (None,)
        known = literal.kind in (LiteralKind.TEXT, LiteralKind.WORD) or (
            literal.kind is LiteralKind.ENUM and literal.type_name == self.type_name
        )
        sentinel = self.numbers.get(SENTINEL)
        named = [w for w, n in self.numbers.items() if unmask or sentinel is None or n <= sentinel]
        if not known:
            raise WrongType(hint=hints.one_of("", named, "Members"))
        folded = literal.text.lower()
        number = next((n for word, n in self.numbers.items() if word.lower() == folded), None)
        if number is None:
            raise WrongType(
                f"The string '{literal.text[:60]}' is not a valid enumeration type constant of "
                f"'{self.type_name}'.",
                hint=hints.one_of(literal.text, named, "Members"),
            )
        if unmask or sentinel is None or number < sentinel:
            return (number,)
        if number > sentinel:
            raise WrongType(
                f"The member '{literal.text}' needs the header "
                "'Prefer: include-unknown-enum-members'."
            )
        return tuple(n for n in self.numbers.values() if n >= sentinel)

    def holds(self, value: object) -> bool:
        if value is None:
            return self.nullable
        return type(value) is int and value in self.numbers.values()


@dataclass(frozen=True)
class Complex:
    """A complex property: it is null when all its columns are."""

    type_name: str
    members: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class EntityType:
    """The allow-list of one resource.

    ``members`` can be selected. ``properties`` can be filtered and sorted by, by name or path;
    ``navigations`` can be expanded; ``not_expanded`` are those that Graph has besides.
    ``is_collection`` is whether there are several where it is contained.
    """

    name: str = ""
    members: tuple[str, ...] = ()
    properties: Mapping[str, Property | Complex] = field(default_factory=dict)
    navigations: Mapping[str, EntityType] = field(default_factory=dict)
    not_expanded: Sequence[str] = ()
    is_collection: bool = True

    def why_not(self, path: str, option: str) -> str:
        """The sentence for a path that is no property to filter or sort by."""
        name, _, rest = path.partition("/")
        owner = self.properties.get(name)
        if rest and isinstance(owner, Complex):
            member = rest.partition("/")[0]
            if member not in owner.members:
                return _not_found(rest, owner.type_name)
        elif rest or name not in self.members:
            return _not_found(path, self.name)
        return f"The property '{path[:60]}' cannot be used in the {option} query option."

    def not_found(self, name: str) -> str:
        return _not_found(name, self.name)

    def instead(self, name: str, option: str) -> str:
        """The hint for a name that this option cannot have: those that it can."""
        sortable = [path for path, prop in self.properties.items() if isinstance(prop, Property)]
        known, use = {
            "$filter": (self.properties, "filtered by"),
            "$orderby": (sortable, "sorted by"),
            "$select": ((*self.members, *self.navigations), "selected"),
            "$expand": (self.navigations, "expanded"),
        }[option]
        return hints.one_of(name, known, f"Those that can be {use}")


def _not_found(name: str, type_name: str) -> str:
    return f"Could not find a property named '{name[:60]}' on type '{type_name}'."
