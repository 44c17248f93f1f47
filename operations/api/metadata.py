"""``/$metadata`` and the service document: what a program reads before it asks for anything.

Graph gives both without a token, and so do we: they say what there is, not what somebody has.
"""

from __future__ import annotations

from functools import lru_cache
from xml.etree import ElementTree  # writes, reads nothing  # nosec B405

from django.http import HttpResponse
from rest_framework.request import Request

from operations.api import edm
from operations.api.edm.kinds import GRAPH, Action, Container
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.odata.types import EntityType

EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
EDM = "http://docs.oasis-open.org/odata/ns/edm"
CORE = "Org.OData.Core.V1"
CORE_DOCUMENT = "https://docs.oasis-open.org/odata/odata/v4.0/os/vocabularies/Org.OData.Core.V1.xml"

ElementTree.register_namespace("edmx", EDMX)


class MetadataViewSet(GraphViewSet):
    """What the version root itself answers, without a token."""

    authentication_classes = []
    needs_role = False
    counts = False

    def describe(self, request: Request) -> HttpResponse:
        """``/$metadata``: the data model as CSDL 4.0."""
        self.query_options()
        return HttpResponse(csdl(beta=self.root.beta), content_type="application/xml;charset=utf-8")

    def service(self, request: Request) -> HttpResponse:
        """The service document: the names that can follow the root (OData JSON 4.0, 5)."""
        self.query_options()
        container = edm.MODEL.container
        return self.answer(
            {
                "@odata.context": f"{self.root.url}/$metadata",
                "value": [
                    {"name": name, "kind": kind, "url": name}
                    for kind, names in (
                        ("EntitySet", container.entity_sets),
                        ("Singleton", container.singletons),
                    )
                    for name in names
                ],
            }
        )


class ExternalViewSet(GraphViewSet):
    """``/external``: a singleton without properties; its connections have a path of their own."""

    entity_type = EntityType(edm.EXTERNAL.full_name, edm.EXTERNAL.members(), is_collection=False)

    def retrieve(self, request: Request) -> HttpResponse:
        columns = self.query_options(ENTITY_OPTIONS).columns
        return self.entity({}, "external", select=columns, entity=False)


@lru_cache(maxsize=2)
def csdl(*, beta: bool) -> bytes:
    """The model as an XML document (OData CSDL 4.0), a sentence on everything in it."""
    document = ElementTree.Element(f"{{{EDMX}}}Edmx", Version="4.0")
    reference = ElementTree.SubElement(document, f"{{{EDMX}}}Reference", Uri=CORE_DOCUMENT)
    ElementTree.SubElement(reference, f"{{{EDMX}}}Include", Namespace=CORE)
    services = ElementTree.SubElement(document, f"{{{EDMX}}}DataServices")
    schemas: dict[str, ElementTree.Element] = {}
    for kind in edm.MODEL.seen(beta=beta):
        if kind.namespace not in schemas:
            schemas[kind.namespace] = ElementTree.SubElement(
                services, "Schema", xmlns=EDM, Namespace=kind.namespace
            )
        _add_type(schemas[kind.namespace], kind, beta=beta)
    for action in edm.MODEL.actions:
        _add_action(schemas[action.namespace], action)
    _add_container(schemas[GRAPH], edm.MODEL.container)
    ElementTree.indent(document)
    return ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)


def _add_type(
    schema: ElementTree.Element,
    kind: edm.EnumType | edm.ComplexType | edm.EntityType,
    *,
    beta: bool,
) -> None:
    if isinstance(kind, edm.EnumType):
        element = _add(
            schema, "EnumType", kind.description, Name=kind.name, IsFlags=_true(kind.is_flags)
        )
        for member in kind.members:
            _add(element, "Member", member.description, Name=member.name, Value=str(member.value))
        return
    element = ElementTree.SubElement(
        schema,
        type(kind).__name__,
        _given(
            Name=kind.name,
            BaseType=kind.parent.full_name if kind.parent else None,
            Abstract=_true(kind.is_abstract),
            OpenType=_true(kind.is_open),
        ),
    )
    if isinstance(kind, edm.EntityType) and kind.key:
        key = ElementTree.SubElement(element, "Key")
        ElementTree.SubElement(key, "PropertyRef", Name=kind.key)
    inherited = kind.parent.properties if kind.parent else {}
    for prop in kind.seen(beta=beta):
        if prop.name not in inherited:
            _add_property(element, prop)
    own = kind.own_navigation if isinstance(kind, edm.EntityType) else ()
    for navigation in (each for each in own if beta or not each.beta):
        _add(
            element,
            "NavigationProperty",
            navigation.description,
            Name=navigation.name,
            Type=navigation.type_name,
            ContainsTarget="true",
        )
    _annotate(element, "Description", String=kind.description)


def _add_property(element: ElementTree.Element, prop: edm.Property) -> None:
    added = _add(
        element,
        "Property",
        prop.description,
        Name=prop.name,
        Type=prop.type_name,
        Nullable=None if prop.nullable else "false",
        MaxLength=str(prop.max_length) if prop.max_length else None,
        DefaultValue=prop.default,
    )
    if prop.computed:
        _annotate(added, "Computed", Bool="true")


def _add_action(schema: ElementTree.Element, action: Action) -> None:
    element = ElementTree.SubElement(schema, "Action", Name=action.name, IsBound="true")
    parameters = {"bindingParameter": action.of.full_name}
    parameters |= {name: _collection(kind) for name, kind in action.takes.items()}
    for name, type_name in parameters.items():
        ElementTree.SubElement(element, "Parameter", Name=name, Type=type_name)
    ElementTree.SubElement(element, "ReturnType", Type=_collection(action.returns))
    _annotate(element, "Description", String=action.description)


def _collection(kind: edm.EntityType) -> str:
    return f"Collection({kind.full_name})"


def _add_container(schema: ElementTree.Element, container: Container) -> None:
    element = _add(schema, "EntityContainer", container.description, Name=container.name)
    for name, (kind, description) in container.entity_sets.items():
        _add(element, "EntitySet", description, Name=name, EntityType=kind.full_name)
    for name, (kind, description) in container.singletons.items():
        _add(element, "Singleton", description, Name=name, Type=kind.full_name)


def _add(
    parent: ElementTree.Element, tag: str, description: str, **attributes: str | None
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, _given(**attributes))
    _annotate(element, "Description", String=description)
    return element


def _annotate(element: ElementTree.Element, term: str, **value: str) -> None:
    ElementTree.SubElement(element, "Annotation", {"Term": f"{CORE}.{term}", **value})


def _given(**attributes: str | None) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value is not None}


def _true(flag: bool) -> str | None:
    return "true" if flag else None
