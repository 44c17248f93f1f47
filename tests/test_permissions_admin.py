"""Every page and every action of the admin by everybody, as docs/permissions.md has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.test import Client, RequestFactory

from operations import groups, ingestion, runs, tokens
from operations.models import (
    BulkAction,
    ConnectionOperation,
    IdentityType,
    OutcomeRule,
    Refusal,
    SigningKey,
    WorkerHeartbeat,
)
from operations.models.container import Container
from operations.selection import OperationSelection
from tests.factories import (
    COMMAND,
    a_property,
    a_schema,
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
)
from tests.people import Turns, Visitor, address, everybody, says
from tests.permissions import (
    Comparison,
    Row,
    all_routes,
    assert_complete,
    callers,
    kept_for_a_module,
    legend,
    quiet,
    rows,
    undone,
    writes,
)

pytestmark = pytest.mark.django_db

HEADING = "Admin"
ACTIONS = "Actions of the admin"
#: What the questions of actions and the confirmations of deletions are answered with.
ANSWERS = {"post": "yes", "note": "because", "message": "m", "kind": "csv"}


@pytest.fixture(scope="module")
def visitors(django_db_setup, django_db_blocker, private_pem) -> Iterator[dict[str, Visitor]]:
    with kept_for_a_module(django_db_blocker):
        SigningKey.objects.create(kid=tokens.key_id(private_pem), private_pem=private_pem)
        tokens.forget_keys()
        make_things()
        yield {visitor.name: visitor for visitor in everybody()}


def make_things() -> None:
    """One row at least of everything that the admin shows."""
    connection = make_connection("contosohr")
    register_schema(connection, a_schema(a_property("title")))
    failed = fail_registration(connection, document=a_schema(a_property("title"), a_property("x")))
    report(connection, graph_id="open")
    runs.start(BulkAction.ACKNOWLEDGE, OperationSelection(keys=(failed.pk,)), COMMAND)
    OutcomeRule.objects.create(error={"message": "Rehearsed."})
    item = {"acl": [], "properties": {"title": "Leave policy"}}
    ingestion.put(Container.of(connection), "leave", item, COMMAND)
    group = groups.create(connection.pk, COMMAND, graph_id="staff")
    groups.add_member(group, COMMAND, graph_id="ada", kind=IdentityType.USER)
    make_application(name="HR connector")
    WorkerHeartbeat.objects.beat("worker", 0)
    Refusal.objects.create(request_id="r", method="GET", path="/", status=401, code="c")


def admin_routes() -> list[str]:
    return [path for path in all_routes() if path.startswith("/admin/")]


def values_of(row: Row) -> dict[str, str]:
    """What stands for the parameters of an address: a row of the model that it is about."""
    models = (each for each in admin.site._registry if row.path.startswith(changelist(each)))
    model = next(models, ConnectionOperation)
    thing = model._default_manager.order_by("pk").last()
    type_id = ContentType.objects.get_for_model(ConnectionOperation).pk
    return {
        "object_id": str(thing.pk),
        "id": str(thing.pk),
        "content_type_id": str(type_id),
        "app_label": "operations",
        "url": "nothing-here",
    }


def form_of(row: Row) -> dict[str, Any]:
    return ANSWERS if row.path.endswith("/delete/") else {}


def test_every_page_of_the_admin_has_a_row():
    assert_complete(HEADING, admin_routes(), rows(HEADING, admin_routes()))


def test_every_page_of_the_admin_by_everybody(visitors, http):
    comparison = Comparison(HEADING, legend("Answers of pages"), says, tells_effects=True)
    chosen = Turns(callers("Visitors of the admin"), opens_once=True)
    for row in rows(HEADING, admin_routes()):
        path = address(row.path, values_of(row))
        for column, name in chosen.who_tries(row):
            with undone(), writes() as written:
                response = visitors[name].send(http, row.method, path, form_of(row))
            comparison.look(row, column, name, response, written)
    comparison.finish()


def test_every_action_has_a_row():
    asks = RequestFactory().get("/admin/")
    asks.user = get_user_model()(is_superuser=True, is_active=True)
    offered = {
        f"{changelist(model)}?action={name}"
        for model, model_admin in admin.site._registry.items()
        for name in model_admin.get_actions(asks)
    }
    assert offered == {row.path for row in rows(ACTIONS)}, "docs/permissions.md, the last table"


def test_every_action_by_everybody(visitors, http):
    comparison = Comparison(ACTIONS, legend("Answers of pages"), says, tells_effects=True)
    chosen = Turns(callers("Visitors of the admin"))
    for row in rows(ACTIONS):
        path, _, action = row.path.partition("?action=")
        form = {"action": action, "_selected_action": [thing_for(path, action)], **ANSWERS}
        for column, name in chosen.who_tries(row):
            with undone(), writes() as written:
                response = visitors[name].send(http, "POST", path, form)
            comparison.look(row, column, name, response, written)
    comparison.finish()


def changelist(model: Any) -> str:
    return f"/admin/{model._meta.label_lower.replace('.', '/')}/"


def thing_for(path: str, action: str) -> str:
    """The key of a row to which the action can be done."""
    if path == changelist(ConnectionOperation):
        wanted = "open" if action in ("complete", "fail") else None
        rows_of = ConnectionOperation.objects.order_by("pk")
        found = rows_of.filter(graph_id=wanted) if wanted else rows_of.filter(triage="open")
        return str(found.get().pk)
    return values_of(Row("POST", path, {}))["object_id"]


@pytest.fixture
def http() -> Iterator[Client]:
    with quiet():
        yield Client(enforce_csrf_checks=True, raise_request_exception=False)
