"""A connection that is ready for items, and a client that may do everything with it."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse

from operations.models import Application, ConnectionState, ExternalConnection, ItemTally
from tests.factories import a_property, a_schema, make_application, make_connection, register_schema
from tests.graph import ITEMS_OWNED, OWNED, GraphClient
from tests.item_bodies import SCHEMA

HERE = "/v1.0/external/connections/contosohr"
ITEMS = f"{HERE}/items"
BETA = "/beta/external/connections/contosohr"
SERVER = "http://testserver"
#: One property of each type.
EVERY_TYPE = a_schema(*(a_property(name, type=kind) for name, kind in SCHEMA.items()))


def make_ready(
    graph_id: str = "contosohr", *, owner: Application | None = None, document: Any = None, **values
) -> ExternalConnection:
    """A connection with a schema in force; unless ``document`` is another, with all types."""
    connection = make_connection(graph_id, owner=owner, **values)
    register_schema(connection, document or EVERY_TYPE)
    return connection


def ready() -> GraphClient:
    """The API as the owner of the connection ``contosohr`` sees it."""
    application = make_application(OWNED, ITEMS_OWNED)
    make_ready(owner=application)
    return GraphClient(application)


def put(graph: GraphClient, path: str, body: Any, **headers: str) -> Any:
    """What a PUT that must succeed answers."""
    response = graph.put(path, body, **headers)
    assert response.status_code == 200, response.content
    return json.loads(response.content)


def state_of(graph_id: str = "contosohr") -> tuple[str, str]:
    """The state of a connection in Graph's word, and the limit that put it there."""
    connection = ExternalConnection.objects.get(graph_id=graph_id)
    return ConnectionState.word_of(connection.state), connection.limited_by


def tallied(connection: ExternalConnection | None = None) -> int:
    """How many items are counted, of a connection or in all."""
    return ItemTally.objects.items(connection.pk) if connection else ItemTally.objects.items()


def ids_of(response: HttpResponse) -> list[str]:
    """The ids of a page."""
    assert response.status_code == 200, response.content
    return [row["id"] for row in json.loads(response.content)["value"]]
