"""Conditions and sort keys of ``operations.odata`` as Django expressions.

Both databases must answer alike: texts are compared by code point, with regard to case (SQLite's
LIKE has none, so it is not used), and null sorts before everything. OData's logic has an unknown,
and so has SQL's, but not at the same places; each leaf here is made true or false for itself and
for its opposite, and ``not`` is carried down to the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Func, OrderBy, Q, QuerySet, Value
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

from operations.odata import conditions
from operations.odata.conditions import Condition
from operations.odata.ordering import Mark, SortKey
from operations.odata.types import SORTED_CHARACTERS, Property, Text

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


class ByCodePoint(Func):
    """A text that compares by code point: SQLite's own way, "C" is PostgreSQL's name for it."""

    arity = 1
    template = "%(expressions)s"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template='(%(expressions)s) COLLATE "C"')


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
        return ByCodePoint(Left(column, SORTED_CHARACTERS) if prop.long else column)
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


def narrowed(rows: QuerySet[Any], condition: Condition | None) -> QuerySet[Any]:
    """The rows that ``$filter`` leaves; all without one."""
    return rows if condition is None else rows.filter(where(condition))
