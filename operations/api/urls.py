"""The Graph surface: one line an endpoint. Paths arrive in canonical form (``api.paths``)."""

from __future__ import annotations

from typing import Any

from django.urls import include, path, register_converter

from operations.api import docs, token_endpoint
from operations.api.activities import ActivityViewSet
from operations.api.batch import BatchViewSet
from operations.api.connections import ConnectionViewSet
from operations.api.groups import GroupViewSet, MemberViewSet
from operations.api.items import ItemViewSet
from operations.api.metadata import ExternalViewSet, MetadataViewSet
from operations.api.operations import OperationViewSet
from operations.api.paths import KeyConverter
from operations.api.quota import QuotaViewSet
from operations.api.schema import SchemaViewSet
from operations.api.unknown import UnknownPathViewSet

register_converter(KeyConverter, "key")

ANYTHING = dict.fromkeys(UnknownPathViewSet.http_method_names, "refuse")


def connections(**methods: str) -> Any:
    return ConnectionViewSet.as_view({**methods})


def operations(**methods: str) -> Any:
    return OperationViewSet.as_view({**methods})


def items(**methods: str) -> Any:
    return ItemViewSet.as_view({**methods})


def activities(**methods: str) -> Any:
    return ActivityViewSet.as_view({**methods})


def groups(**methods: str) -> Any:
    return GroupViewSet.as_view({**methods})


def members(**methods: str) -> Any:
    return MemberViewSet.as_view({**methods})


def schema(**methods: str) -> Any:
    return SchemaViewSet.as_view({**methods})


graph = [  # what is asked most comes first
    path("connections/<key:connection_id>/operations/$count", operations(get="count")),
    path(
        "connections/<key:connection_id>/operations/<key:operation_id>",
        operations(get="retrieve", patch="partial_update", delete="destroy"),
    ),
    path("connections/<key:connection_id>/items/$count", items(get="count")),
    path(
        "connections/<key:connection_id>/items/<key:item_id>",
        items(get="retrieve", put="replace", patch="partial_update", delete="destroy"),
    ),
    path("connections", connections(get="list", post="create")),
    path("connections/$count", connections(get="count")),
    path(
        "connections/<key:connection_id>",
        connections(get="retrieve", patch="partial_update", delete="destroy"),
    ),
    path(
        "connections/<key:connection_id>/schema",
        schema(get="retrieve", patch="register", post="register"),
    ),
    path("connections/<key:connection_id>/operations", operations(get="list", post="create")),
    path("connections/<key:connection_id>/items", items(get="list", post="create")),
    *(
        path(
            f"connections/<key:connection_id>/items/<key:item_id>/{action}", activities(post="add")
        )
        for action in ("addActivities", "microsoft.graph.externalConnectors.addActivities")
    ),
    path("connections/<key:connection_id>/items/<key:item_id>/activities", activities(get="list")),
    path("connections/<key:connection_id>/groups", groups(get="list", post="create")),
    path("connections/<key:connection_id>/groups/$count", groups(get="count")),
    path(
        "connections/<key:connection_id>/groups/<key:group_id>",
        groups(get="retrieve", patch="partial_update", delete="destroy"),
    ),
    path(
        "connections/<key:connection_id>/groups/<key:group_id>/members",
        members(get="list", post="create"),
    ),
    path(
        "connections/<key:connection_id>/groups/<key:group_id>/members/$count",
        members(get="count"),
    ),
    path(
        "connections/<key:connection_id>/groups/<key:group_id>/members/<key:member_id>",
        members(get="retrieve", delete="destroy"),
    ),
    path("connections/<key:connection_id>/quota", QuotaViewSet.as_view({"get": "retrieve"})),
]
batch = BatchViewSet.as_view({"post": "create"})
external = ExternalViewSet.as_view({"get": "retrieve"})
metadata = MetadataViewSet.as_view({"get": "describe"})
service = MetadataViewSet.as_view({"get": "service"})
unknown = UnknownPathViewSet.as_view({**ANYTHING})


def root(version: str) -> list[Any]:
    """Graph's two ways in, below one version."""
    both = [
        path(f"{version}/external/", include(graph), {"version": version, "external": True}),
        path(f"{version}/", include(graph), {"version": version, "external": False}),
    ]
    rest = {"version": version, "external": False}
    return [
        *both,  # first, for they are looked through one after the other
        path(version, service, rest),
        path(f"{version}/$metadata", metadata, rest, name=f"metadata-{version}"),
        path(f"{version}/$batch", batch, rest),
        path(f"{version}/external", external, rest),
        path(f"{version}/<path:path>", unknown, rest),
    ]


urlpatterns = [
    *root("v1.0"),
    *root("beta"),
    path("<str:tenant>/oauth2/v2.0/token", token_endpoint.token),
    path("<str:tenant>/v2.0/.well-known/openid-configuration", token_endpoint.metadata),
    path("<str:tenant>/.well-known/openid-configuration", token_endpoint.metadata),
    path("<str:tenant>/discovery/v2.0/keys", token_endpoint.keys),
    path("openapi.json", docs.openapi, name="openapi"),
    path("docs", docs.page, name="api-docs"),
]
