"""Bodies of items for the tests of their rules, and the faults as they should read."""

from __future__ import annotations

from operations.item_rules import Shape, read_item

PRINCIPAL = "microsoft.graph.externalConnectors.principal"
#: One property of each type: its name, as short as can be, and the type.
SCHEMA = {
    "title": "string",
    "size": "int64",
    "score": "double",
    "due": "dateTime",
    "open": "boolean",
    "tags": "stringCollection",
    "sizes": "int64Collection",
    "scores": "doubleCollection",
    "dates": "dateTimeCollection",
    "owner": "principal",
    "people": "principalCollection",
}
SHAPE = Shape.of(
    {
        "baseType": "microsoft.graph.externalItem",
        "properties": [{"name": name, "type": kind} for name, kind in SCHEMA.items()],
    }
)
EDM = {
    "title": "String",
    "size": "Int64",
    "score": "Double",
    "due": "DateTimeOffset",
    "open": "Boolean",
    "tags": "Collection(String)",
    "sizes": "Collection(Int64)",
    "scores": "Collection(Double)",
    "dates": "Collection(DateTimeOffset)",
    "owner": PRINCIPAL,
    "people": f"Collection({PRINCIPAL})",
}
EVERYONE = {"accessType": "grant", "type": "everyone", "value": "everyone"}
DATE = "2024-05-31T08:30:00Z"
MOMENT = "must be a date and time such as 2024-05-31T08:30:00Z, not"


def item(**members):
    """The smallest item, with these members besides or instead."""
    return {"acl": [EVERYONE], "properties": {"title": "A"}, **members}


def without(document, member):
    return {name: value for name, value in document.items() if name != member}


def read(document, *, graph_id="one", **options):
    return read_item(document, SHAPE, graph_id=graph_id, **options)


def kept(document, **options):
    values, faults = read(document, **options)
    assert faults == []
    return values


def said(faults):
    return [(fault.code, fault.target, fault.message) for fault in faults]


def only(found):
    """The one fault of a pair of values and faults."""
    faults = found[1]
    assert len(faults) == 1, faults
    return said(faults)[0]


def of_bag(bag, **options):
    return read(item(properties=bag), **options)


def holding(name, value):
    """A bag with this property, and its annotation where the type needs one."""
    note = {f"{name}@odata.type": EDM[name]} if "Collection" in EDM[name] else {}
    return {**note, name: value}


def invalid(target, rule):
    return ("InvalidPropertyValue", target, f"Property '{target}' {rule}.")


def missing(target, rule="is required"):
    return ("RequiredPropertyMissing", target, f"Property '{target}' {rule}.")


def unknown(target):
    return ("PropertyNotDeclared", target, f"Property '{target}' is not declared by the type.")


def beta_only(target):
    sentence = f"Property '{target}' is not declared by the type. It is declared on /beta only."
    return ("PropertyNotDeclared", target, sentence)
