"""What a filter says, as values: a small tree whose leaves name columns of the allow-list."""

from __future__ import annotations

from dataclasses import dataclass

from operations.odata.types import Complex, Property, Text, Value


@dataclass(frozen=True)
class Constant:
    """True or false for every row."""

    value: bool


@dataclass(frozen=True)
class OneOf:
    """``eq`` and ``in``. Null equals null and nothing else, so this is never unknown."""

    property: Property
    values: tuple[Value, ...]


@dataclass(frozen=True)
class IsNull:
    """``eq null`` of a complex property."""

    property: Complex


@dataclass(frozen=True)
class Compare:
    """``gt``, ``ge``, ``lt``, ``le``: false when the property is null."""

    property: Property
    operator: str
    value: str | int


@dataclass(frozen=True)
class Match:
    """``contains``, ``startswith``, ``endswith``: unknown when the property is null, and so is
    its opposite; what is unknown is not in the result."""

    property: Text
    function: str
    text: str


@dataclass(frozen=True)
class Not:
    operand: Condition


@dataclass(frozen=True)
class And:
    operands: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    operands: tuple[Condition, ...]


Condition = Constant | OneOf | IsNull | Compare | Match | Not | And | Or
