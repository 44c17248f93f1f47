"""The query options of one request, or of one expanded member, read and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from operations.errors import ExpandNotSupported, InvalidQueryOption
from operations.odata import hints
from operations.odata.conditions import Condition
from operations.odata.filters import parse_filter
from operations.odata.ordering import Mark, SortKey, parse_orderby, read_skip_token
from operations.odata.source import Source
from operations.odata.types import EntityType

WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
MAX_SKIP = 2**31 - 1
TERM = re.compile(r"[A-Za-z@_][A-Za-z0-9_.@]*|\*")
NAVIGATION = re.compile(r"(?P<name>[^\s(),;=']+)\s*(?:\((?P<options>.*)\))?", re.DOTALL)

#: OData's options that have no meaning here: named, so that a caller knows.
NOT_SUPPORTED = "$search $apply $compute $index $levels $schemaversion $deltatoken $id".split()
KNOWN = frozenset(
    "$select $expand $filter $orderby $top $skip $count $skiptoken $format".split() + NOT_SUPPORTED
)
SELECT_AND_EXPAND = "Parsing OData Select and Expand failed: "
#: What an expanded member may have in its parentheses: a collection, and a single entity.
NESTED = ("$select", "$filter", "$orderby", "$top", "$skip", "$count")
NESTED_SINGLE = ("$select",)


@dataclass(frozen=True)
class QueryOptions:
    """The options of one request, checked: ``top`` is the page size, ``after`` the last row read.

    ``pairs`` are names and values as a next link repeats them.
    """

    select: tuple[str, ...] = ()
    expand: Mapping[str, QueryOptions] = field(default_factory=dict)
    filter: Condition | None = None
    order: tuple[SortKey, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    after: Mark | None = None
    format: str = ""
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The select list of the context URL: an expanded member has parentheses, and stays
        whatever is selected."""
        return (
            *self.select,
            *(f"{name}({','.join(options.columns)})" for name, options in self.expand.items()),
        )


NO_OPTIONS = QueryOptions()


def option_name(name: str) -> str:
    """The name in OData's own spelling: OData 4.01 takes it in any case and without its ``$``."""
    lowered = name.lower()
    system = lowered if lowered.startswith("$") else f"${lowered}"
    return system if system in KNOWN else name


def read_options(
    pairs: Iterable[tuple[str, str]],
    entity: EntityType,
    *,
    allowed: Sequence[str],
    max_page_size: int,
    unmask: bool = False,
) -> QueryOptions:
    """The options of a request.

    Args:
        pairs: name and value of each, decoded, in the order sent.
        entity: what the options may name.
        allowed: the options that this request may have, besides ``$format``.
        max_page_size: what ``$top`` is cut to.
        unmask: whether the caller prefers to see enumeration members above the sentinel.

    Raises InvalidQueryOption for an option that is unknown, stands twice, may not be used here, or
    has a value that cannot be used. Nothing is ignored.
    """
    sources = _sources(pairs, allowed)
    return _Reader(entity, max_page_size, unmask).read(sources) if sources else NO_OPTIONS


def _sources(pairs: Iterable[tuple[str, str]], allowed: Sequence[str]) -> dict[str, Source]:
    """Values by canonical name. Raises InvalidQueryOption for a name that may not be here."""
    sources: dict[str, Source] = {}
    for given, value in pairs:
        name = option_name(given)
        if name not in allowed and name != "$format":
            why_not = f"{_why_not(name, allowed)} {hints.for_option(name, allowed)}".rstrip()
            raise InvalidQueryOption(why_not, name)
        if name in sources:
            raise InvalidQueryOption(f"Query option '{name}' was specified more than once.", name)
        sources[name] = Source.of(name, value)
    return sources


def _why_not(name: str, allowed: Sequence[str]) -> str:
    if name in NOT_SUPPORTED:
        return f"Query option '{name}' is not supported."
    if name.startswith("$") and allowed:
        return f"Query option '{name}' is not allowed here. Allowed: {', '.join(allowed)}."
    if allowed:
        return f"Query option '{name}' was not recognized. Allowed: {', '.join(allowed)}."
    return f"Query option '{name}' is not allowed here: this call takes none."


@dataclass(frozen=True)
class _Reader:
    """Reads the options of one resource, and those of what it expands."""

    entity: EntityType
    max_page_size: int
    unmask: bool

    def read(self, sources: Mapping[str, Source]) -> QueryOptions:
        readers: dict[str, tuple[str, Callable[[Source], Any]]] = {
            "$select": ("select", self._select),
            "$expand": ("expand", self._expand),
            "$filter": ("filter", self._filter),
            "$orderby": ("order", self._orderby),
            "$top": ("top", self._top),
            "$skip": ("skip", _skip),
            "$count": ("count", _truth),
            "$format": ("format", _media_type),
        }
        values = {
            member: read(sources[name])
            for name, (member, read) in readers.items()
            if name in sources
        }
        values["pairs"] = tuple((name, source.text) for name, source in sources.items())
        if token := sources.get("$skiptoken"):
            values["after"] = read_skip_token(token.text, values.get("order", ()))
        return QueryOptions(**values)

    def _filter(self, source: Source) -> Condition:
        return parse_filter(source, self.entity, unmask=self.unmask)

    def _orderby(self, source: Source) -> tuple[SortKey, ...]:
        return parse_orderby(source, self.entity)

    def _top(self, source: Source) -> int:
        return min(_number(source, minimum=1), self.max_page_size)

    def _select(self, source: Source) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for piece in source.pieces(","):
            name = piece.text
            if not TERM.fullmatch(name):
                raise piece.refuse(
                    f"{SELECT_AND_EXPAND}Term '{name[:60]}' is not valid in a $select or $expand "
                    "expression.",
                    hint=self.entity.instead(name, "$select"),
                )
            if name != "*" and name not in self.entity.members + tuple(self.entity.navigations):
                raise piece.refuse(
                    SELECT_AND_EXPAND + self.entity.not_found(name),
                    hint=self.entity.instead(name, "$select"),
                )
            names[name] = None
        return () if "*" in names else tuple(names)

    def _expand(self, source: Source) -> dict[str, QueryOptions]:
        expanded: dict[str, QueryOptions] = {}
        for piece in source.pieces(","):
            found = NAVIGATION.fullmatch(piece.text)
            if found is None:
                raise piece.refuse(
                    f"{SELECT_AND_EXPAND}Term '{piece.text[:60]}' is not valid in a $select or "
                    "$expand expression."
                )
            name = found["name"]
            if name not in self.entity.navigations:
                raise self._not_expanded(piece, name)
            if name in expanded:
                raise piece.refuse(f"{SELECT_AND_EXPAND}'{name}' is expanded more than once.")
            inside = found["options"]
            nested = piece.piece(found.start("options"), found.end("options")) if inside else None
            expanded[name] = self._nested(name, nested)
        return expanded

    def _nested(self, name: str, source: Source | None) -> QueryOptions:
        """The options of an expanded member, read like those of a request of its own."""
        entity = self.entity.navigations[name]
        allowed = NESTED if entity.is_collection else NESTED_SINGLE
        if source is None:
            return QueryOptions()
        sources: dict[str, Source] = {}
        for piece in source.pieces(";"):
            given, equals, _ = piece.text.partition("=")
            option = option_name(given.strip())
            if not equals:
                raise piece.syntax_error(len(given))
            if option not in allowed:
                raise piece.refuse(
                    _why_not(option[:60], allowed), hint=hints.for_option(option, allowed)
                )
            if option in sources:
                raise piece.refuse(f"Query option '{option}' was specified more than once.")
            sources[option] = piece.piece(len(given) + 1, len(piece.text), option)
        try:
            return _Reader(entity, self.max_page_size, self.unmask).read(sources)
        except InvalidQueryOption as refusal:
            if not hints.OPTION_AFTER_COMMA.search(source.text):
                raise
            message = f"{refusal.message} {hints.SEPARATOR}"
            raise InvalidQueryOption(message, source.option) from None

    def _not_expanded(self, piece: Source, name: str) -> InvalidQueryOption:
        hint = self.entity.instead(name, "$expand")
        if name in self.entity.not_expanded:
            refusal = piece.refuse(
                f"Expand is not allowed for property '{name}' according to the entity schema.",
                hint=hint,
            )
            return ExpandNotSupported(refusal.message)
        if name in self.entity.members:
            return piece.refuse(
                f"{SELECT_AND_EXPAND}Property '{name}' on type '{self.entity.name}' is not a "
                "navigation property. Only navigation properties can be expanded.",
                hint=hint,
            )
        return piece.refuse(SELECT_AND_EXPAND + self.entity.not_found(name), hint=hint)


def _number(source: Source, *, minimum: int) -> int:
    number = int(source.text) if WHOLE_NUMBER.fullmatch(source.text) else -1
    if not minimum <= number <= MAX_SKIP:
        raise source.refuse(
            f"Invalid value '{source.text[:40]}' for {source.name} query option found. The "
            f"{source.name} query option requires an integer from {minimum} to {MAX_SKIP}."
        )
    return number


def _skip(source: Source) -> int:
    return _number(source, minimum=0)


def _truth(source: Source) -> bool:
    if source.text.lower() not in ("true", "false"):
        raise source.refuse(
            f"Invalid value '{source.text[:40]}' for $count query option found. Valid values are "
            "'true' and 'false'."
        )
    return source.text.lower() == "true"


def _media_type(source: Source) -> str:
    """What ``$format`` asks for, as an Accept header would say it."""
    name, semicolon, parameters = source.text.partition(";")
    if name.strip().lower() not in ("json", "application/json"):
        raise source.refuse(
            f"Invalid value '{source.text[:40]}' for $format query option found. The service "
            "answers in 'json' ('application/json') only."
        )
    return f"application/json{semicolon}{parameters}"
