"""The parts of a connection: may they be kept. Pure; finds all faults at once.

Each ``read_…`` takes what was sent for one member of a connection and gives it in canonical form:
every declared member, in Graph's order, words of an enumeration as Graph writes them, no
annotations. What is free JSON (a layout, the open members of a configuration) stays as it is.

Rules: the types ``configuration``, ``activitySettings``, ``searchSettings``,
``complianceSettings`` and their parts in ``microsoft.graph.externalConnectors``. The API and the
admin both ask here.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

from operations.errors import Fault, invalid, required, undeclared
from operations.url_pattern import read_pattern

Json = dict[str, Any]

ITEM_ID_RESOLVER = "microsoft.graph.externalConnectors.itemIdResolver"
MAX_TEMPLATES = 2
#: Graph names no bound; each id is a row, so there has to be one.
MAX_AUTHORIZED_APPS = 1000
TEMPLATE_ID = re.compile(r"[A-Za-z0-9]{1,16}")
INT32 = range(-(2**31), 2**31)
RULE_OPERATIONS = (
    "null equals notEquals contains notContains lessThan greaterThan startsWith"
).split()
BINARY_OPERATORS = ["or", "and"]
#: contentExperienceType, a flags enumeration: written in this order.
CONTENT_EXPERIENCES = ["search", "compliance"]
#: The newest Adaptive Card that eDiscovery shows.
EDISCOVERY_CARD = (1, 2)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BASE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_CARD_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})")


# What is read ------------------------------------------------------------------------------------


def read_configuration(document: object) -> tuple[list[uuid.UUID], Json, list[Fault]]:
    """The authorized applications, the open members, and what is wrong.

    ``authorizedApps`` is the older twin that Graph still shows; it is accepted and says nothing.
    """
    faults: list[Fault] = []
    configuration = _Complex(document, "configuration", None, faults)
    app_ids = []
    entries = list(configuration.entries("authorizedAppIds"))
    if len(entries) > MAX_AUTHORIZED_APPS:
        rule = f"must have at most {MAX_AUTHORIZED_APPS} entries, not {len(entries)}"
        faults.append(invalid("configuration/authorizedAppIds", rule))
        entries = []
    for where, entry in entries:
        try:
            app_ids.append(_guid(entry))
        except ValueError:
            faults.append(invalid(where, "must be an application (client) id, a GUID"))
    declared = ("authorizedAppIds", "authorizedApps")
    members = configuration.members.items()
    return (
        app_ids,
        {name: value for name, value in members if name not in declared and "@" not in name},
        faults,
    )


def read_open_configuration(document: object) -> tuple[Json, list[Fault]]:
    """The open members alone, for who edits them apart from the authorized applications."""
    app_ids, members, faults = read_configuration(document)
    if app_ids:
        faults.append(invalid("configuration/authorizedAppIds", "has a field of its own"))
    return members, faults


def read_activity_settings(document: object) -> tuple[Json, list[Fault]]:
    faults: list[Fault] = []
    settings = _Complex(document, "activitySettings", ("urlToItemResolvers",), faults)
    resolvers = [
        _resolver(where, entry, faults) for where, entry in settings.entries("urlToItemResolvers")
    ]
    return {"urlToItemResolvers": resolvers}, faults


def read_search_settings(document: object) -> tuple[Json, list[Fault]]:
    faults: list[Fault] = []
    member = "searchResultTemplates"
    settings = _Complex(document, "searchSettings", (member,), faults)
    return {member: _templates(settings, member)}, faults


def read_compliance_settings(document: object) -> tuple[Json, list[Fault]]:
    """Beta. The cards are Adaptive Cards up to 1.2, without ``${…}`` bindings."""
    faults: list[Fault] = []
    member = "eDiscoveryResultTemplates"
    settings = _Complex(document, "complianceSettings", (member,), faults)
    templates = _templates(settings, member)
    for index, template in enumerate(templates):
        _check_ediscovery_card(template["layout"], f"{settings.at(member)}/{index}/layout", faults)
    return {member: templates}, faults


def read_content_experiences(text: object) -> tuple[str, list[Fault]]:
    """Beta ``enabledContentExperiences``: the names of flags, in any case and order, to Graph's."""
    names = [name.strip() for name in text.split(",")] if isinstance(text, str) else [None]
    if names == [""]:
        return "", []
    known = {_canonical(name, CONTENT_EXPERIENCES) for name in names}
    if None in known:
        listed = ", ".join(CONTENT_EXPERIENCES)
        rule = f"must be a comma-separated list of {listed}"
        return "", [invalid("enabledContentExperiences", rule)]
    return ", ".join(name for name in CONTENT_EXPERIENCES if name in known), []


# How it is read ----------------------------------------------------------------------------------


class _Complex:
    """One complex value, asked for its members; every fault goes to the shared list.

    A member that is null is one that was not sent, as generic OData clients send all they know.
    """

    def __init__(
        self, value: object, path: str, declared: tuple[str, ...] | None, faults: list[Fault]
    ):
        """``declared``: the members that the type has, None for an open type."""
        self.path = path
        self.faults = faults
        self.is_object = isinstance(value, dict)
        self.members: Json = value if isinstance(value, dict) else {}
        if not self.is_object:
            faults.append(invalid(path, "must be an object"))
        if declared is not None:
            faults += [
                undeclared(self.at(member), declared)
                for member in self.members
                if member not in declared and "@" not in member
            ]

    def at(self, member: str) -> str:
        return f"{self.path}/{member}"

    def given(self, member: str) -> Any:
        """A member that must be there; None when it is not, which is a fault."""
        value = self.members.get(member)
        if value is None and self.is_object:
            self.faults.append(required(self.at(member)))
        return value

    def text(self, member: str, value: Any) -> str | None:
        """A member that is a text with something in it, or None."""
        if isinstance(value, str) and value.strip():
            return value
        if value is not None:
            rule = "must not be blank" if isinstance(value, str) else "must be a string"
            self.faults.append(invalid(self.at(member), rule))
        return None

    def integer(self, member: str, value: Any, *, positive: bool = False) -> int | None:
        """An Edm.Int32, or None. A truth value is no number."""
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value not in INT32:
            self.faults.append(invalid(self.at(member), "must be a whole number of 32 bits"))
            return None
        if positive and value < 1:
            self.faults.append(invalid(self.at(member), "must be a positive number"))
            return None
        return value

    def word(self, member: str, words: list[str]) -> str | None:
        """The word of an enumeration, which must be there."""
        value = self.given(member)
        known = _canonical(value, words)
        if known is None and value is not None:
            self.faults.append(invalid(self.at(member), f"must be one of {', '.join(words)}"))
        return known

    def entries(self, member: str) -> Iterator[tuple[str, Any]]:
        """The entries of a collection, each with its path."""
        value = self.members.get(member)
        if value is None:
            return
        if not isinstance(value, list):
            self.faults.append(invalid(self.at(member), "must be a collection"))
            return
        for index, entry in enumerate(value):
            yield f"{self.at(member)}/{index}", entry

    def texts(self, member: str) -> list[str]:
        """A collection of texts."""
        result = []
        for where, entry in self.entries(member):
            if isinstance(entry, str):
                result.append(entry)
            else:
                self.faults.append(invalid(where, "must be a string"))
        return result


def _canonical(value: Any, words: list[str]) -> str | None:
    """The word as Graph writes it; connectors take words in any case."""
    if not isinstance(value, str):
        return None
    return next((word for word in words if word.casefold() == value.casefold()), None)


def _guid(text: Any) -> uuid.UUID:
    if not isinstance(text, str) or len(text) != 36:  # UUID() takes other spellings, Graph does not
        raise ValueError
    return uuid.UUID(text)


def _resolver(path: str, entry: object, faults: list[Fault]) -> Json:
    """``urlToItemResolverBase`` is abstract: its one derived type must be named."""
    resolver = _Complex(entry, path, ("priority", "itemId", "urlMatchInfo"), faults)
    kind = resolver.given("@odata.type")
    if kind is not None and str(kind).removeprefix("#") != ITEM_ID_RESOLVER:
        faults.append(invalid(resolver.at("@odata.type"), f"must be '#{ITEM_ID_RESOLVER}'"))
    item_id = resolver.text("itemId", resolver.given("itemId"))
    match_info: Json | None = None
    groups: set[str] | None = set()
    if resolver.members.get("urlMatchInfo") is not None:
        match_info, groups = _match_info(
            resolver.at("urlMatchInfo"), resolver.members["urlMatchInfo"], faults
        )
    for name in dict.fromkeys(_PLACEHOLDER.findall(item_id or "")):
        if groups is not None and name not in groups:
            faults.append(
                invalid(
                    resolver.at("itemId"),
                    f"has '{{{name[:60]}}}', and urlMatchInfo/urlPattern has no group of that name",
                )
            )
    return {
        "@odata.type": f"#{ITEM_ID_RESOLVER}",
        "priority": resolver.integer("priority", resolver.members.get("priority")),
        "itemId": item_id,
        "urlMatchInfo": match_info,
    }


def _match_info(path: str, value: object, faults: list[Fault]) -> tuple[Json, set[str] | None]:
    """``urlMatchInfo`` and the names of its pattern's groups, None when they cannot be told."""
    info = _Complex(value, path, ("baseUrls", "urlPattern"), faults)
    base_urls = info.texts("baseUrls")
    for index, url in enumerate(base_urls):
        if not _BASE_URL.fullmatch(url):
            faults.append(
                invalid(
                    f"{info.at('baseUrls')}/{index}",
                    "must be the beginning of an absolute address, such as https://contoso.com",
                )
            )
    sent = info.members.get("urlPattern")
    groups: set[str] | None = set() if info.is_object and sent is None else None
    pattern = info.text("urlPattern", sent)
    if pattern is not None:
        names, fault = read_pattern(pattern)
        if fault:
            faults.append(invalid(info.at("urlPattern"), fault))
        else:
            groups = names
    return {"baseUrls": base_urls, "urlPattern": pattern}, groups


def _templates(settings: _Complex, member: str) -> list[Json]:
    """A collection of ``displayTemplate``; an id stands once in it."""
    faults = settings.faults
    entries = list(settings.entries(member))
    if len(entries) > MAX_TEMPLATES:
        rule = f"must have at most {MAX_TEMPLATES} entries, not {len(entries)}"
        faults.append(invalid(settings.at(member), rule))
        return []
    templates: list[Json] = []
    for where, entry in entries:
        template = _template(where, entry, faults)
        if template["id"] and template["id"] in [other["id"] for other in templates]:
            message = f"Property '{where}/id': the id '{template['id']}' is already used."
            faults.append(Fault("DuplicateIdentifier", message, f"{where}/id"))
        templates.append(template)
    return templates


def _template(path: str, entry: object, faults: list[Fault]) -> Json:
    template = _Complex(entry, path, ("id", "layout", "priority", "rules"), faults)
    graph_id = template.given("id")
    if graph_id is not None and not (isinstance(graph_id, str) and TEMPLATE_ID.fullmatch(graph_id)):
        message = f"Property '{path}/id' must be 1 to 16 characters, letters and digits only."
        faults.append(Fault("InvalidIdentifier", message, f"{path}/id"))
        graph_id = None
    priority = template.integer("priority", template.given("priority"), positive=True)
    layout = template.given("layout")
    if layout is not None:
        _check_card(layout, template.at("layout"), faults)
    return {
        "id": graph_id,
        "layout": layout,
        "priority": priority,
        "rules": [_rule(where, rule, faults) for where, rule in template.entries("rules")],
    }


def _check_card(layout: object, path: str, faults: list[Fault]) -> None:
    """The outermost members of an Adaptive Card. The rest is free, and kept as it is."""
    if not isinstance(layout, dict):
        faults.append(invalid(path, "must be an object, an Adaptive Card"))
        return
    if layout.get("type") != "AdaptiveCard":
        faults.append(invalid(f"{path}/type", "must be 'AdaptiveCard'"))
    if not isinstance(layout.get("version", ""), str):
        faults.append(invalid(f"{path}/version", "must be a string, such as '1.3'"))
    for member in ("body", "actions"):
        if not isinstance(layout.get(member, []), list):
            faults.append(invalid(f"{path}/{member}", "must be a collection"))


def _check_ediscovery_card(layout: object, path: str, faults: list[Fault]) -> None:
    if not isinstance(layout, dict):
        return
    version = _CARD_VERSION.match(str(layout.get("version")))
    if version and (int(version[1]), int(version[2])) > EDISCOVERY_CARD:
        newest = ".".join(map(str, EDISCOVERY_CARD))
        faults.append(invalid(f"{path}/version", f"must be {newest} or lower: eDiscovery's limit"))
    if "${" in json.dumps(layout):
        rule = "must not bind with '${…}': eDiscovery fills in '{name}' only"
        faults.append(invalid(path, rule))


def _rule(path: str, entry: object, faults: list[Fault]) -> Json:
    rule = _Complex(entry, path, ("property", "operation", "values", "valuesJoinedBy"), faults)
    operation = rule.word("operation", RULE_OPERATIONS)
    values = rule.texts("values")
    if rule.is_object and rule.members.get("values") in (None, []) and operation != "null":
        faults.append(required(rule.at("values")))
    return {
        "property": rule.text("property", rule.given("property")),
        "operation": operation,
        "values": values,
        "valuesJoinedBy": rule.word("valuesJoinedBy", BINARY_OPERATORS),
    }
