"""Data model -> JSON Schema 2020-12, the dialect of OpenAPI 3.1."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from operations.api import edm

Schema = dict[str, Any]

PRIMITIVES: dict[str, Schema] = {
    "String": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "Int32": {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "DateTimeOffset": {"type": "string", "format": "date-time"},
    "Int64": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
}
#: OData control information and annotations may stand beside any member.
ANNOTATIONS: Schema = {"patternProperties": {"@": True}}


def component_name(kind: edm.EnumType | edm.StructuredType, *, beta: bool) -> str:
    """The full name; what beta shows differently has a name of its own."""
    return f"beta.{kind.full_name}" if beta and _differs(kind) else kind.full_name


def reference(kind: edm.EnumType | edm.StructuredType, *, beta: bool) -> Schema:
    return {"$ref": f"#/components/schemas/{component_name(kind, beta=beta)}"}


def model_schemas() -> dict[str, Schema]:
    """A schema for each type as answers show it, in both versions."""
    schemas: dict[str, Schema] = {}
    for beta in (False, True):
        for kind in edm.MODEL.seen(beta=beta):
            name = component_name(kind, beta=beta)
            if isinstance(kind, edm.EnumType):
                schemas[name] = _enum_schema(kind)
            elif kind.is_abstract:
                if isinstance(kind, edm.ComplexType):
                    schemas[name] = _one_of_derived(kind, beta=beta)
            else:
                schemas[name] = _type_schema(kind, beta=beta)
    return schemas


def body_schema(kind: edm.EntityType, *, beta: bool, creates: bool, keyed: bool = False) -> Schema:
    """What a caller may send of an entity. What it may not set is ignored, and so allowed.

    ``keyed``: the address has the key, and the body need not repeat it.
    """
    schema = _object(kind, beta=beta)
    if creates:
        required = [prop.name for prop in kind.seen(beta=beta) if prop.required]
        required += [each.name for each in kind.navigation if each.inline]
        required = [name for name in required if not (keyed and name == "id")]
        schema |= {"required": required} if required else {}
    return schema


def page_schema(kind: edm.EntityType, *, beta: bool) -> Schema:
    """A collection: one page of it, its count and its next link where they apply."""
    return {
        "type": "object",
        "required": ["value"],
        "properties": {
            "@odata.context": {"type": "string", "format": "uri"},
            "@odata.count": {"type": "integer", "minimum": 0},
            "@odata.nextLink": {"type": "string", "format": "uri"},
            "value": {"type": "array", "items": reference(kind, beta=beta)},
        },
        "additionalProperties": False,
        **ANNOTATIONS,
    }


def _differs(kind: edm.EnumType | edm.StructuredType) -> bool:
    """Whether beta shows more of a type, or of what stands in it or below it."""
    if isinstance(kind, edm.EnumType):
        return False
    properties = kind.properties.values()
    navigation = kind.navigation if isinstance(kind, edm.EntityType) else ()
    return any(
        prop.beta or (isinstance(prop.type, edm.StructuredType) and _differs(prop.type))
        for prop in properties
    ) or any(each.expands and _differs(each.type) for each in navigation)


def _enum_schema(kind: edm.EnumType) -> Schema:
    words = "\n".join(f"- `{member.name}`: {member.description}" for member in kind.members)
    schema: Schema = {"type": "string", "description": f"{kind.description}\n\n{words}"}
    if kind.is_flags:
        one = "|".join(kind.words)
        return schema | {"pattern": f"^({one})(, ?({one}))*$"}
    return schema | {"enum": kind.words}


def _one_of_derived(kind: edm.ComplexType, *, beta: bool) -> Schema:
    derived = edm.MODEL.derived(kind)
    return {
        "description": kind.description,
        "oneOf": [reference(each, beta=beta) for each in derived],
    }


def _type_schema(kind: edm.ComplexType | edm.EntityType, *, beta: bool) -> Schema:
    schema = _object(kind, beta=beta)
    if isinstance(kind, edm.EntityType):  # $select leaves members out, $expand adds others
        for navigation in filter(attrgetter("expands"), kind.navigation):
            target = reference(navigation.type, beta=beta)
            schema["properties"][navigation.name] = {
                "description": f"{navigation.description} Only with `$expand`.",
                "readOnly": True,
                **(
                    {"type": "array", "items": target}
                    if navigation.collection
                    else {"anyOf": [target, {"type": "null"}]}
                ),
            }
    return schema


def _object(kind: edm.ComplexType | edm.EntityType, *, beta: bool) -> Schema:
    seen = kind.seen(beta=beta)
    schema: Schema = {
        "type": "object",
        "description": kind.description,
        "properties": {prop.name: _property_schema(prop, beta=beta) for prop in seen},
        "additionalProperties": _undeclared(kind, beta=beta),
        **ANNOTATIONS,
    }
    if isinstance(kind, edm.EntityType):
        inline = {each.name: each for each in kind.navigation if each.inline}
        schema["properties"] |= {
            name: {"description": each.description, **reference(each.type, beta=beta)}
            for name, each in inline.items()
        }
        if kind.shows_faults:
            schema["properties"] = {
                name: _or_null(member) for name, member in schema["properties"].items()
            }
    if isinstance(kind, edm.ComplexType):
        required = [prop.name for prop in seen if not prop.nullable]
        if kind.base is not None and kind.base.is_abstract:
            schema["properties"]["@odata.type"] = {
                "description": "Which of the derived types it is.",
                "enum": [f"#{kind.full_name}", kind.full_name],
            }
            required.append("@odata.type")
        schema |= {"required": required} if required else {}
    return schema


def _undeclared(kind: edm.StructuredType, *, beta: bool) -> bool | Schema:
    """What a member may be that the type does not declare."""
    if not kind.open_to:
        return kind.is_open
    one: list[Schema] = [{"type": ["string", "number", "boolean"]}]
    one += [reference(each, beta=beta) for each in kind.open_to]
    return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}}, {"type": "null"}]}


def _property_schema(prop: edm.Property, *, beta: bool) -> Schema:
    said: Schema = {"description": prop.description}
    if prop.computed:
        said["readOnly"] = True
    if prop.default is not None:
        said["default"] = prop.default
    facets: Schema = {}
    if prop.max_length is not None:
        facets["maxLength"] = prop.max_length
    if prop.pattern is not None:
        facets["pattern"] = prop.pattern
    if isinstance(prop.type, edm.Primitive):
        value = PRIMITIVES[prop.type.name] | facets
    else:
        value = reference(prop.type, beta=beta)
    if prop.collection:
        value = {"type": "array", "items": value}
        if prop.max_items is not None:
            value["maxItems"] = prop.max_items
    return {**said, **(_or_null(value) if prop.nullable else value)}


def _or_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    if "$ref" in schema:
        said = {name: value for name, value in schema.items() if name != "$ref"}
        return {**said, "anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}]}
    return schema  # null is among what it may be already
