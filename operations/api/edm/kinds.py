"""What the data model is made of: the parts of OData's Common Schema Definition Language (CSDL).

Values only. ``operations.api.metadata`` writes them as XML, ``operations.api.openapi`` as JSON
schemas; a lookup by name is all that others need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

CONNECTORS = "microsoft.graph.externalConnectors"
GRAPH = "microsoft.graph"


@dataclass(frozen=True, kw_only=True)
class Named:
    """A type with a name in a namespace and a sentence that says what it is."""

    name: str
    description: str = ""
    namespace: str = CONNECTORS
    beta: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Primitive(Named):
    """A type that OData brings along."""

    namespace: str = "Edm"


@dataclass(frozen=True)
class Member:
    """One word of an enumeration and the number that orders it."""

    name: str
    value: int
    description: str


@dataclass(frozen=True, kw_only=True)
class EnumType(Named):
    members: tuple[Member, ...]
    is_flags: bool = False

    @property
    def words(self) -> list[str]:
        return [member.name for member in self.members]


@dataclass(frozen=True, kw_only=True)
class Property:
    """A structural property. Every facet is Graph's, but for ``pattern``, which is no CSDL.

    ``required`` says that a create must give it; nullability alone does not say so.
    """

    name: str
    type: Primitive | EnumType | ComplexType
    description: str
    collection: bool = False
    nullable: bool = True
    computed: bool = False
    required: bool = False
    beta: bool = False
    max_length: int | None = None
    max_items: int | None = None
    pattern: str | None = None
    default: str | None = None

    @property
    def type_name(self) -> str:
        """As ``@odata.type`` and CSDL write it: ``Collection(Edm.String)``."""
        name = self.type.full_name
        return f"Collection({name})" if self.collection else name


@dataclass(frozen=True, kw_only=True)
class Navigation:
    """A navigation property; all of ours contain what they lead to.

    ``expands`` says that ``$expand`` takes it, ``inline`` that it always stands in the entity.
    """

    name: str
    type: EntityType
    description: str
    collection: bool = True
    expands: bool = False
    inline: bool = False
    beta: bool = False

    @property
    def type_name(self) -> str:
        name = self.type.full_name
        return f"Collection({name})" if self.collection else name


@dataclass(frozen=True, kw_only=True)
class StructuredType(Named):
    """A complex or entity type. ``own`` are the properties that its base does not have; those that
    an open type does not declare are primitives, or of the types that it is ``open_to``, or
    collections of these. An open type that names none may hold anything."""

    own: tuple[Property, ...] = ()
    is_open: bool = False
    open_to: tuple[ComplexType, ...] = ()
    is_abstract: bool = False

    @property
    def parent(self) -> StructuredType | None:
        return None

    @cached_property
    def properties(self) -> Mapping[str, Property]:
        """By name, inherited ones first, those of beta too."""
        inherited = self.parent.properties if self.parent else {}
        return {**inherited, **{prop.name: prop for prop in self.own}}

    def seen(self, *, beta: bool) -> list[Property]:
        """The properties that a version shows, in their order."""
        return [prop for prop in self.properties.values() if beta or not prop.beta]

    def members(self, *, beta: bool = False) -> tuple[str, ...]:
        return tuple(prop.name for prop in self.seen(beta=beta))


@dataclass(frozen=True, kw_only=True)
class ComplexType(StructuredType):
    base: ComplexType | None = None

    @property
    def parent(self) -> ComplexType | None:
        return self.base


@dataclass(frozen=True, kw_only=True)
class EntityType(StructuredType):
    """``own_navigation`` are those that its base does not have. Of one that ``shows_faults`` any
    member may be null: what could not be read."""

    base: EntityType | None = None
    key: str | None = None
    own_navigation: tuple[Navigation, ...] = ()
    shows_faults: bool = False

    @property
    def parent(self) -> EntityType | None:
        return self.base

    @cached_property
    def navigation(self) -> tuple[Navigation, ...]:
        """Inherited ones first."""
        return (self.base.navigation if self.base else ()) + self.own_navigation

    def leads(self, *, beta: bool) -> list[Navigation]:
        """The navigation properties that a version shows."""
        return [each for each in self.navigation if beta or not each.beta]


@dataclass(frozen=True, kw_only=True)
class Action:
    """What can be done with an entity, besides reading and writing it: it is posted to. It takes
    and returns collections."""

    name: str
    description: str
    of: EntityType
    takes: Mapping[str, EntityType]
    returns: EntityType
    namespace: str = CONNECTORS


@dataclass(frozen=True)
class Container:
    """What the service root holds."""

    name: str
    description: str
    entity_sets: Mapping[str, tuple[EntityType, str]]
    singletons: Mapping[str, tuple[EntityType, str]]


@dataclass(frozen=True)
class Model:
    """All types, each declared before what uses it, the actions on them, and the container."""

    types: tuple[EnumType | ComplexType | EntityType, ...]
    actions: tuple[Action, ...]
    container: Container

    def seen(self, *, beta: bool) -> list[EnumType | ComplexType | EntityType]:
        """The types that a version shows."""
        return [kind for kind in self.types if beta or not kind.beta]

    def structured(self, *, beta: bool) -> Iterator[ComplexType | EntityType]:
        for kind in self.seen(beta=beta):
            if not isinstance(kind, EnumType):
                yield kind

    def named(self, full_name: str) -> EnumType | ComplexType | EntityType | None:
        return next((kind for kind in self.types if kind.full_name == full_name), None)

    def derived(self, base: ComplexType) -> list[ComplexType]:
        """The types that stand in for an abstract one, or the type itself."""
        return [
            kind for kind in self.types if isinstance(kind, ComplexType) and kind.base is base
        ] or [base]
