"""May this schema be registered, and may it follow that one. Pure; finds all faults at once.

Rules: ``microsoft.graph.externalConnectors.schema`` and ``property`` (names, types, labels, flags)
and Graph's page on managing a schema (what an update may change). What Graph leaves open (labels
against types, names that differ only in case, a property that is left out) is our choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from operations.errors import Fault, invalid, required, undeclared

BASE_TYPE = "microsoft.graph.externalItem"
MAX_PROPERTIES = 128
MAX_DESCRIPTION = 200
NAME = re.compile(r"[A-Za-z0-9]{1,32}")

#: propertyType; those after the sentinel are masked unless the caller asks for them.
TYPES = (
    "string int64 double dateTime boolean stringCollection int64Collection doubleCollection "
    "dateTimeCollection"
).split()
TYPES_ABOVE_SENTINEL = ["principal", "principalCollection"]
#: label, likewise.
LABELS = (
    "title url createdBy lastModifiedBy authors createdDateTime lastModifiedDateTime fileName "
    "fileExtension"
).split()
LABELS_ABOVE_SENTINEL = (
    "containerName containerUrl iconUrl assignedToPeople closedBy closedDate priority sprintName "
    "tags severity state dueDate itemParentId itemPath itemType numberOfReactions parentUrl "
    "priorityNormalized reportedBy secondaryId personEmails personAddresses personAnniversaries "
    "personName personNote personPhones personCurrentPosition personWebAccounts personWebSite "
    "personSkills personProjects personAccount personAwards personCertifications "
    "personAssistants personColleagues personManager personAlternateContacts "
    "personEmergencyContacts personEducationalActivities personInterests personLanguages "
    "personPublications personPatents personWorkPositions"
).split()
IMPORTANCE = ["low", "medium", "high", "veryHigh"]
SENTINEL = "unknownFutureValue"

DATE_LABELS = {"createdDateTime", "lastModifiedDateTime", "closedDate", "dueDate"}
NUMBER_LABELS = {"numberOfReactions", "priorityNormalized"}
PERSON_LABELS = (
    {"createdBy", "lastModifiedBy", "authors", "assignedToPeople", "closedBy"}
    | {"reportedBy"}
    | {label for label in LABELS_ABOVE_SENTINEL if label.startswith("person")}
)
TEXT_TYPES = {"string", "stringCollection"}

FLAGS = ("isSearchable", "isQueryable", "isRetrievable", "isRefinable")
MEMBERS = ("baseType", "properties", "id")
V1_MEMBERS = {"name", "type", "description", "aliases", "labels", *FLAGS}
BETA_MEMBERS = {"isExactMatchRequired", "rankingHint"}

_TYPE_WORDS = {word.casefold(): word for word in [*TYPES, *TYPES_ABOVE_SENTINEL]}
_LABEL_WORDS = {word.casefold(): word for word in [*LABELS, *LABELS_ABOVE_SENTINEL]}
_IMPORTANCE_WORDS = {word.casefold(): word for word in IMPORTANCE}


def _is_sentinel(word: object) -> bool:
    return isinstance(word, str) and word.casefold() == SENTINEL.casefold()


def types_for_label(label: str) -> set[str]:
    """The types that a label may stand on (our choice; Graph only says they must match)."""
    if label in DATE_LABELS:
        return {"dateTime"}
    if label in NUMBER_LABELS:
        return {"int64"}
    if label in PERSON_LABELS:
        return TEXT_TYPES | {"principal", "principalCollection"}
    return TEXT_TYPES


def read_schema(
    document: object, in_force: dict[str, Any] | None = None, *, beta: bool = False
) -> tuple[dict[str, Any], list[Fault]]:
    """The schema in canonical form, and everything that is wrong with it.

    Args:
        document: the body as it was sent. Enum words may be in any case, booleans may be text.
        in_force: the schema that this one would follow, in canonical form, or None.
        beta: whether beta-only attributes are declared; v1.0 keeps those of ``in_force`` unseen.
    """
    if not isinstance(document, dict):
        return {}, [Fault("InvalidPropertyValue", "The body must be a schema object.", "schema")]
    faults = [
        undeclared(member, MEMBERS)
        for member in document
        if member not in MEMBERS and "@" not in member
    ]
    base_type = document.get("baseType")
    if base_type is None:
        faults.append(required("baseType"))
    elif base_type != BASE_TYPE:
        faults.append(invalid("baseType", f"must be '{BASE_TYPE}'"))
    entries = document.get("properties")
    properties: list[dict[str, Any]] = []
    stored = {prop["name"]: prop for prop in (in_force or {}).get("properties", [])}
    if entries is None:
        faults.append(required("properties"))
    elif not isinstance(entries, list):
        faults.append(invalid("properties", "must be a collection"))
    elif not 1 <= len(entries) <= MAX_PROPERTIES:
        faults.append(
            Fault(
                "TooManyProperties" if entries else "RequiredPropertyMissing",
                f"Property 'properties' must have 1 to {MAX_PROPERTIES} entries, not "
                f"{len(entries)}.",
                "properties",
            )
        )
    else:
        for index, entry in enumerate(entries):
            prop = _PropertyReader(f"properties/{index}", entry, stored, beta, faults).read()
            properties.append(prop)
        faults += _faults_between(properties)
        if in_force is not None:
            faults += _faults_of_update(properties, stored)
    return {"baseType": BASE_TYPE, "properties": properties}, faults


class _PropertyReader:
    """Reads one entry of ``properties``; every fault goes to the shared list."""

    def __init__(
        self,
        path: str,
        entry: object,
        stored: dict[str, dict[str, Any]],
        beta: bool,
        faults: list[Fault],
    ):
        self.path = path
        self.beta = beta
        self.faults = faults
        self.entry: dict[str, Any] = {}
        if isinstance(entry, dict):
            self.entry = entry
        else:
            self.fault("InvalidPropertyValue", "", "must be an object")
        name = self.entry.get("name")
        self.stored = stored.get(name, {}) if isinstance(name, str) else {}
        self.label = f"'{name[:32]}'" if isinstance(name, str) else f"'{path}'"

    def fault(self, code: str, member: str, rule: str) -> None:
        where = f"{self.path}/{member}" if member else self.path
        self.faults.append(Fault(code, f"Property '{where}' {rule}.", where))

    def read(self) -> dict[str, Any]:
        allowed = V1_MEMBERS | BETA_MEMBERS if self.beta else V1_MEMBERS
        for member in self.entry:
            if member not in allowed and "@" not in member:
                self.faults.append(undeclared(f"{self.path}/{member}", allowed, BETA_MEMBERS))
        prop: dict[str, Any] = {
            "name": self.name(),
            "type": self.type(),
            "description": self.description(),
            "aliases": self.aliases(),
            "labels": self.labels(),
        }
        for flag in FLAGS:
            prop[flag] = self.flag(flag)
        if self.beta:
            seen = {
                "isExactMatchRequired": self.flag("isExactMatchRequired"),
                "rankingHint": self.ranking_hint(),
            }
        else:
            seen = {member: self.stored.get(member) for member in sorted(BETA_MEMBERS)}
        prop |= {member: value for member, value in seen.items() if value is not None}
        self.check_combinations(prop)
        return prop

    def name(self) -> str | None:
        name = self.entry.get("name")
        if name is None:
            self.fault("RequiredPropertyMissing", "name", "is required")
        elif not isinstance(name, str) or not NAME.fullmatch(name):
            self.fault(
                "InvalidIdentifier", "name", "must be 1 to 32 characters, letters and digits only"
            )
        else:
            return name
        return None

    def type(self) -> str | None:
        word = self.entry.get("type")
        if word is None:
            self.fault("RequiredPropertyMissing", "type", "is required")
            return None
        if _is_sentinel(word) and self.stored.get("type") in TYPES_ABOVE_SENTINEL:
            return self.stored["type"]
        known = _TYPE_WORDS.get(word.casefold()) if isinstance(word, str) else None
        if known is None:
            names = ", ".join([*TYPES, *TYPES_ABOVE_SENTINEL])
            self.fault("InvalidPropertyValue", "type", f"must be one of {names}")
        return known

    def description(self) -> str | None:
        text = self.entry.get("description")
        if text is None:
            return None
        if not isinstance(text, str) or len(text) > MAX_DESCRIPTION:
            self.fault(
                "InvalidPropertyValue",
                "description",
                f"must be a string of at most {MAX_DESCRIPTION} characters",
            )
            return None
        return text

    def texts(self, member: str) -> list[str]:
        entries = self.entry.get(member)
        if entries is None:
            return []
        if not isinstance(entries, list) or not all(isinstance(text, str) for text in entries):
            self.fault("InvalidPropertyValue", member, "must be a collection of strings")
            return []
        return entries

    def aliases(self) -> list[str]:
        aliases = self.texts("aliases")
        for index, alias in enumerate(aliases):
            if not NAME.fullmatch(alias):
                self.fault(
                    "InvalidIdentifier",
                    f"aliases/{index}",
                    "must be 1 to 32 characters, letters and digits only",
                )
        return aliases

    def labels(self) -> list[str]:
        labels: list[str] = []
        words = self.texts("labels")
        if len(words) > len(_LABEL_WORDS):
            self.fault(
                "InvalidPropertyValue",
                "labels",
                f"must have at most {len(_LABEL_WORDS)} entries, not {len(words)}",
            )
            return []
        masked = self.masked_labels()
        one_each = sum(map(_is_sentinel, words)) == len(masked)
        stands_for = [[label] for label in masked] if one_each else [masked]
        for index, word in enumerate(words):
            known = _LABEL_WORDS.get(word.casefold())
            if known:
                labels.append(known)
            elif not _is_sentinel(word):
                self.fault(
                    "InvalidPropertyValue",
                    f"labels/{index}",
                    f"must be a label of Graph, such as title, url or iconUrl, not '{word[:60]}'",
                )
            elif not masked:
                self.fault("InvalidPropertyValue", f"labels/{index}", f"must not be '{SENTINEL}'")
            elif stands_for:
                labels += [label for label in stands_for.pop(0) if label not in labels]
        return labels

    def masked_labels(self) -> list[str]:
        """The stored labels that a v1.0 caller saw as unknownFutureValue and sends back."""
        return [label for label in self.stored.get("labels", []) if label in LABELS_ABOVE_SENTINEL]

    def flag(self, member: str) -> bool | None:
        value = self.entry.get(member)
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value.casefold(), value)
        if value is None or isinstance(value, bool):
            return value
        self.fault("InvalidPropertyValue", member, "must be true or false")
        return None

    def ranking_hint(self) -> dict[str, str] | None:
        hint = self.entry.get("rankingHint")
        if hint is None:
            return None
        for member in hint if isinstance(hint, dict) else ():
            if member != "importanceScore" and "@" not in member:
                where = f"{self.path}/rankingHint/{member}"
                self.faults.append(undeclared(where, ("importanceScore",)))
        score = hint.get("importanceScore") if isinstance(hint, dict) else None
        known = _IMPORTANCE_WORDS.get(score.casefold()) if isinstance(score, str) else None
        if known is None:
            self.fault(
                "InvalidPropertyValue",
                "rankingHint/importanceScore",
                f"must be one of {', '.join(IMPORTANCE)}",
            )
            return None
        return {"importanceScore": known}

    def check_combinations(self, prop: dict[str, Any]) -> None:
        kind = prop["type"]
        if kind is not None:
            if prop["isSearchable"] and kind not in TEXT_TYPES:
                self.fault(
                    "SearchableShouldBeOfType",
                    "isSearchable",
                    f"can only be true for type string or stringCollection, and {self.label} is "
                    f"of type {kind}",
                )
            if prop["isRefinable"] and kind == "boolean":
                where = f"{self.path}/isRefinable"
                self.faults.append(
                    Fault(
                        "RefinerShouldNotBeOfType",
                        f"Refiner property {self.label} cannot be of type 'Boolean'.",
                        where,
                    )
                )
            if prop.get("isExactMatchRequired") and (
                kind not in TEXT_TYPES or prop["isSearchable"]
            ):
                self.fault(
                    "ExactMatchShouldNotBeSearchable",
                    "isExactMatchRequired",
                    "can only be true for a property of type string or stringCollection that is "
                    "not searchable",
                )
            for label in prop["labels"]:
                if kind not in types_for_label(label):
                    allowed = ", ".join(sorted(types_for_label(label)))
                    self.fault(
                        "LabelTypeMismatch",
                        "labels",
                        f"has the label '{label}', which needs type {allowed}, and {self.label} "
                        f"is of type {kind}",
                    )
        if prop["isRefinable"] and prop["isSearchable"]:
            self.fault(
                "RefinerShouldNotBeSearchable",
                "isRefinable",
                f"cannot be true together with isSearchable on {self.label}",
            )
        if prop["labels"] and not prop["isRetrievable"]:
            self.fault(
                "LabelNotRetrievable",
                "labels",
                f"needs isRetrievable to be true: {self.label} has a label but cannot be retrieved",
            )


def _faults_between(properties: list[dict[str, Any]]) -> Iterable[Fault]:
    """Names, aliases and labels that stand twice."""
    taken: dict[str, str] = {}
    labelled: dict[str, str] = {}
    for index, prop in enumerate(properties):
        path = f"properties/{index}"
        names = [(f"{path}/name", prop["name"])] + [
            (f"{path}/aliases/{position}", alias) for position, alias in enumerate(prop["aliases"])
        ]
        for where, name in names:
            if name is None:
                continue
            first = taken.setdefault(name.casefold(), where)
            if first != where:
                yield Fault(
                    "DuplicateProperty",
                    f"Property '{where}': the name '{name[:32]}' is already used at '{first}'. "
                    "Names and aliases are unique without regard to case.",
                    where,
                )
        for label in prop["labels"]:
            first = labelled.setdefault(label, path)
            if first != path or prop["labels"].count(label) > 1:
                yield Fault(
                    "DuplicateLabel",
                    f"Property '{path}/labels': the label '{label}' is already used at "
                    f"'{first}'. A label belongs to one property.",
                    f"{path}/labels",
                )


def _faults_of_update(
    properties: list[dict[str, Any]], stored: dict[str, dict[str, Any]]
) -> Iterable[Fault]:
    """What an update may not change. A new property may have any attributes."""
    names = {prop["name"] for prop in properties}
    for name in stored:
        if name not in names:
            yield Fault(
                "PropertyRemoved",
                f"Property 'properties': '{name}' is registered and is missing here. A property "
                "cannot be removed or renamed; the connection must be created anew for that.",
                "properties",
            )
    for index, prop in enumerate(properties):
        before = stored.get(prop["name"])
        if before is None:
            continue
        path = f"properties/{index}"
        if prop["type"] is not None and prop["type"] != before["type"]:
            yield Fault(
                "PropertyTypeChanged",
                f"Property '{path}/type': the type of '{prop['name']}' is {before['type']} and "
                "cannot change.",
                f"{path}/type",
            )
        if before["isRetrievable"] and not prop["isRetrievable"]:
            yield Fault(
                "RetrievableRemoved",
                f"Property '{path}/isRetrievable': '{prop['name']}' is retrievable and must stay "
                "so.",
                f"{path}/isRetrievable",
            )
        if bool(before["isRefinable"]) != bool(prop["isRefinable"]):
            yield Fault(
                "RefinableChanged",
                f"Property '{path}/isRefinable': whether '{prop['name']}' is refinable cannot "
                "change after registration.",
                f"{path}/isRefinable",
            )
