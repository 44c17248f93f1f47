"""Conditions and sort keys of ``operations.odata`` as Django expressions.

Both databases must answer alike: texts are compared by code point, with regard to case (SQLite's
LIKE has none, so it is not used), and null sorts before everything. OData's logic has an unknown,
and so has SQL's, but not at the same places; each leaf here is made true or false for itself and
for its opposite, and ``not`` is carried down to the leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import F, OrderBy, Q, QuerySet, Value
from django.db.models.functions import Left, NullIf, Right, StrIndex
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
)

from operations.models.snapshot import one_snapshot
from operations.models.texts import Beginning, ByCodePoint
from operations.odata import conditions
from operations.odata.conditions import Condition
from operations.odata.ordering import Mark, SortKey
from operations.odata.types import SORTED_CHARACTERS, Enumeration, Property, Text

#: Each comparison and its opposite.
OPERATORS = {
    "gt": (GreaterThan, LessThanOrEqual),
    "ge": (GreaterThanOrEqual, LessThan),
    "lt": (LessThan, GreaterThanOrEqual),
    "le": (LessThanOrEqual, GreaterThan),
}
NEVER = Q(pk__in=[])
#: By direction. Django leaves the place of nulls to the database, and those differ.
NULLS_LOWEST: dict[bool, dict[str, Any]] = {
    False: {"nulls_first": True},
    True: {"nulls_last": True},
}


def where(condition: Condition, *, negated: bool = False) -> Q:
    """The rows for which the condition (negated: its opposite) is true."""
    match condition:
        case conditions.Not(operand):
            return where(operand, negated=not negated)
        case conditions.And(operands) | conditions.Or(operands):
            every = isinstance(condition, conditions.And) != negated
            parts = [where(operand, negated=negated) for operand in operands]
            return Q(*parts, _connector=Q.AND if every else Q.OR)
        case conditions.Constant(value):
            return NEVER if value == negated else ~NEVER
        case conditions.IsNull(prop):
            null = Q(*(IsNull(F(column), True) for column in prop.columns))
            return ~null if negated else null
        case conditions.OneOf():
            return _one_of(condition, negated)
        case conditions.Compare(prop, operator, value):
            compare = OPERATORS[operator][negated]
            found = Q(compare(_ordered(prop), value))
            return found | _null(prop) if negated else found
        case conditions.Match():
            return _match(condition, negated)


def _column(prop: Property) -> Any:
    if isinstance(prop, Text) and prop.blank_is_null:
        return NullIf(F(prop.column), Value(""))
    return F(prop.column)


def _ordered(prop: Property) -> Any:
    return ByCodePoint(_column(prop)) if isinstance(prop, Text) else _column(prop)


def _null(prop: Property) -> Q:
    return Q(IsNull(_column(prop), True)) if prop.nullable else NEVER


def _one_of(condition: conditions.OneOf, negated: bool) -> Q:
    prop = condition.property
    column = _column(prop)
    values = [value for value in condition.values if value is not None]
    with_null = len(values) < len(condition.values)
    if isinstance(prop, Text) and prop.folded:
        # ids are ASCII: what lower() would make of other letters must not match one
        values = [str(value).lower() for value in values if str(value).isascii()]
        column = F(prop.folded)
    if len(values) == 1:  # equal, and not one of one, is what lets SQLite take a partial index
        found = Q(Exact(column, values[0]))
    else:
        found = Q(In(column, values)) if values else NEVER
    if negated:
        return ~found & ~_null(prop) if with_null else ~found | _null(prop)
    return found | _null(prop) if with_null else found


def _match(condition: conditions.Match, negated: bool) -> Q:
    """Unknown for a null, whether negated or not; every other text has the empty one in it."""
    column = _column(condition.property)
    if not condition.text:
        return NEVER if negated else ~_null(condition.property)
    length = len(condition.text)
    found: Q
    match condition.function:
        case "contains":
            found = Q(GreaterThan(StrIndex(column, Value(condition.text)), 0))
        case "startswith":
            found = Q(Exact(Left(column, length), condition.text))
        case "endswith":
            found = Q(Exact(Right(column, length), condition.text))
    return ~found if negated else found


# Order -------------------------------------------------------------------------------------------


def _sorted(prop: Property) -> Any:
    """What a property sorts by: of a long text its beginning, so that a token can carry it."""
    if isinstance(prop, Text):
        column = _column(prop)
        return ByCodePoint(Beginning(column, SORTED_CHARACTERS) if prop.long else column)
    return _column(prop)


def order_by(keys: Sequence[SortKey], *, newest_first: bool) -> list[OrderBy]:
    """The keys, nulls lowest, and the surrogate key last: an order without ties."""
    result = []
    for key in keys:
        nulls = NULLS_LOWEST[key.descending] if key.property.nullable else {}
        result.append(OrderBy(_sorted(key.property), descending=key.descending, **nulls))
    return [*result, OrderBy(F("pk"), descending=newest_first)]


def mark(row: Any, keys: Sequence[SortKey]) -> Mark:
    """Where a row stands in the order."""
    values = []
    for key in keys:
        value = getattr(row, key.property.column)
        if isinstance(key.property, Text):
            value = None if key.property.blank_is_null and not value else value
            value = value if value is None else value[:SORTED_CHARACTERS]
        values.append(value)
    return Mark(tuple(values), row.pk)


def after(keys: Sequence[SortKey], last: Mark, *, newest_first: bool) -> Q:
    """The rows that come after this one.

    For each key ``a >= x and (a > x or ...)``, not ``a > x or (a = x and ...)``: the first bound
    lets the database begin where the page begins.
    """
    rest = Q(**{"pk__lt" if newest_first else "pk__gt": last.key})
    for key, value in reversed(list(zip(keys, last.values, strict=True))):
        expression = _sorted(key.property)
        null = _null(key.property)
        if value is None:
            rest = null & rest if key.descending else ~null | rest
        elif key.descending:
            bound = Q(LessThanOrEqual(expression, value)) | null
            rest = bound & (Q(LessThan(expression, value)) | null | rest)  # nulls come last
        else:
            bound = Q(GreaterThanOrEqual(expression, value))
            rest = bound & (Q(GreaterThan(expression, value)) | rest)
    return rest


def in_order(
    rows: QuerySet[Any, Any], keys: Sequence[SortKey], last: Mark | None, *, newest_first: bool
) -> QuerySet[Any, Any]:
    """The rows as they are sorted, from behind ``last``."""
    if last is not None:
        rows = rows.filter(after(keys, last, newest_first=newest_first))
    return rows.order_by(*order_by(keys, newest_first=newest_first))


@dataclass(frozen=True)
class Part:
    """Rows that stand together in an order, and how they are sorted among themselves.

    ``values`` are what they have for the first keys; ``keys`` are the others.
    """

    keys: tuple[SortKey, ...]
    where: Q = Q()
    values: tuple[Any, ...] = ()
    is_not_null: bool = False

    def holds(self, mark: Mark) -> bool:
        number = len(self.values)
        if mark.values[:number] != self.values:
            return False
        return not self.is_not_null or mark.values[number] is not None


def parts(keys: tuple[SortKey, ...]) -> Iterator[Part]:
    """An order as parts that follow each other.

    No index has the order of a whole list by what is null for almost all rows, or by a status and
    then the newest first; of each part one has it.
    """
    first = keys[0].property if keys else None
    if first is None or not first.apart:
        yield Part(keys)
        return
    values: list[Any] = [None]
    if isinstance(first, Enumeration):
        values = sorted(first.numbers.values(), reverse=keys[0].descending)
    found = [
        replace(
            part,
            where=(_null(first) if value is None else Q(Exact(_column(first), value))) & part.where,
            values=(value, *part.values),
        )
        for value in values
        for part in parts(keys[1:])
    ]
    if not first.nullable:
        yield from found
        return
    never_null = replace(keys[0], property=replace(first, nullable=False))
    is_there = Q(IsNull(_column(first), False))  # as the condition of the index has it
    rest = Part((never_null, *keys[1:]), is_there, is_not_null=True)
    yield from (rest, *found) if keys[0].descending else (*found, rest)


def read_in_order(
    rows: QuerySet[Any, Any],
    keys: tuple[SortKey, ...],
    last: Mark | None,
    *,
    skip: int,
    number: int,
    newest_first: bool,
) -> list[Any]:
    """So many rows in this order, from behind ``last`` or behind as many as are to be skipped."""
    together = list(parts(keys))
    with one_snapshot() if len(together) > 1 else nullcontext():
        return _read(together, rows, last, skip=skip, number=number, newest_first=newest_first)


def _read(
    together: list[Part],
    rows: QuerySet[Any, Any],
    last: Mark | None,
    *,
    skip: int,
    number: int,
    newest_first: bool,
) -> list[Any]:
    found: list[Any] = []
    for part in together:
        rest = None
        if last is not None:
            if not part.holds(last):
                continue
            rest = Mark(last.values[len(part.values) :], last.key)
            last = None
        wanted = rows.filter(part.where) if part.where else rows
        wanted = in_order(wanted, part.keys, rest, newest_first=newest_first)
        page = list(wanted[skip : skip + number - len(found)])
        found += page
        if len(found) == number:
            break
        if skip:
            skip = 0 if page else skip - wanted.order_by()[:skip].count()
    return found


def narrowed(rows: QuerySet[Any, Any], condition: Condition | None) -> QuerySet[Any, Any]:
    """The rows that ``$filter`` leaves; all without one."""
    return rows if condition is None else rows.filter(where(condition))
