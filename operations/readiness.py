"""What a connection still lacks to be found and shown well. Pure.

Source: Graph's pages on connector experiences (the labels title, url and iconUrl must stand for
content to surface, searchable properties are what prompts match) and on Copilot's requirements
(a telling name and description, a resolver of addresses, a result type).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

Json = dict[str, Any]

REQUIRED_LABELS = ("title", "url", "iconUrl")
#: A description that is shorter than this says hardly more than the name.
TELLING = 20


class Need(Enum):
    """How much a check matters."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"
    MANUAL = "manual"


@dataclass(frozen=True)
class Check:
    """One line of the list.

    ``passed`` is None where only a person can tell. ``by`` names what makes it pass: properties,
    or how many there are; of the content, how many have it and of how many, also where it does not.
    """

    id: str
    need: Need
    passed: bool | None
    by: tuple[str, ...] = ()


def readiness(
    *,
    name: str,
    description: str | None,
    schema: Json | None,
    activity_settings: Json | None,
    search_settings: Json | None,
    items: int = 0,
    with_content: int = 0,
) -> list[Check]:
    """All checks, the required ones first. ``schema`` is the one in force; of so many ``items``
    that were looked at, some are ``with_content``."""
    properties: list[Json] = (schema or {}).get("properties") or []
    resolvers = (activity_settings or {}).get("urlToItemResolvers") or []
    templates = (search_settings or {}).get("searchResultTemplates") or []
    checks = [Check("schema", Need.REQUIRED, schema is not None)]
    for label in REQUIRED_LABELS:
        bearers = _names(prop for prop in properties if label in (prop.get("labels") or []))
        checks.append(Check(f"label-{label}", Need.REQUIRED, bool(bearers), bearers))
    searchable = _names(prop for prop in properties if prop.get("isSearchable"))
    checks += [
        Check("searchable", Need.REQUIRED, bool(searchable), searchable),
        Check("description", Need.RECOMMENDED, is_telling(name, description)),
        Check("resolver", Need.RECOMMENDED, bool(resolvers), _number(resolvers)),
        # A result type may also be made in the admin center, which nobody sees from here.
        Check("result-type", Need.RECOMMENDED, True, _number(templates))
        if templates
        else Check("result-type", Need.MANUAL, None),
        _content(items, with_content),
        Check("switched-on", Need.MANUAL, None),
    ]
    return checks


def _content(items: int, with_content: int) -> Check:
    """Passed when most items have some: a folder or a picture may have none."""
    if not items:
        return Check("content", Need.MANUAL, None)
    by = (str(with_content), str(items))
    return Check("content", Need.RECOMMENDED, 2 * with_content > items, by)


def is_telling(name: str, description: str | None) -> bool:
    """Whether a description says more than the name does: Copilot picks its sources by both."""
    text = " ".join((description or "").split())
    return len(text) >= TELLING and text.casefold() != " ".join(name.split()).casefold()


def _names(properties: Iterable[Json]) -> tuple[str, ...]:
    return tuple(str(prop.get("name", "")) for prop in properties)


def _number(entries: list[Any]) -> tuple[str, ...]:
    return (str(len(entries)),) if entries else ()
