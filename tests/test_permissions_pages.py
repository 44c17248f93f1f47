"""Every page by everybody, as docs/permissions.md has it; and the addresses beside the pages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import Client

from operations import runs
from operations.models import (
    Action,
    Application,
    BulkAction,
    Change,
    ErrorGroup,
    ExternalGroup,
    ExternalItem,
)
from operations.selection import OperationSelection
from tests.factories import (
    COMMAND,
    a_property,
    a_schema,
    fail_registration,
    make_application,
    make_connection,
    make_group,
    put_item,
    register_schema,
    report,
)
from tests.graph import OWNED
from tests.people import Turns, Visitor, address, everybody, says
from tests.permissions import (
    Comparison,
    all_routes,
    assert_complete,
    callers,
    is_graphs,
    kept_for_a_module,
    legend,
    quiet,
    rows,
    undone,
    writes,
)

pytestmark = pytest.mark.django_db

HEADING = "Pages"
RUN, OUTCOME_RUN = uuid.UUID(int=1), uuid.UUID(int=2)
REASON = {"reason": "because"}
#: What the forms hold, so that nothing but the permission stands in the way.
FORMS = {
    "/theme/": {"theme": "dark"},
    "/connections/delete-selected/": {"connection": ["contosohr"], "typed": "1"},
    "/connections/{connection_id}/delete/": {"typed": "contosohr"},
    "/errors/{fingerprint}/ignore/": {"days": "7"},
    "/errors/{fingerprint}/cause/": {"cause": "source-unreachable"},
    "/applications/new/": {"name": "New"},
    "/applications/{app_id}/edit/": {"name": "Another", "enabled": "on"},
    "/applications/{app_id}/secrets/{key_id}/revoke/": {"name": "HR connector"},
    "/settings/preferences/": {"theme": "dark", "rows": "50"},
    "/connections/{connection_id}/operations/{open_operation}/fail/": {**REASON, "message": "m"},
    "/connections/{connection_id}/operations/{open_operation}/complete/": REASON,
    "/applications/{app_id}/secrets/": {"days": "30"},
    "/runs/new/": {
        **REASON,
        "message": "m",
        "run_id": str(uuid.UUID(int=7)),
        "last_key": "9999999",
    },
}


@pytest.fixture(scope="module")
def visitors(django_db_setup, django_db_blocker) -> Iterator[dict[str, Visitor]]:
    with kept_for_a_module(django_db_blocker):
        make_things()
        yield {visitor.name: visitor for visitor in everybody()}


def make_things() -> None:
    """One of everything that has a page."""
    connection = make_connection("contosohr")
    register_schema(connection, a_schema(a_property("title")))
    failed = fail_registration(connection, document=a_schema(a_property("title"), a_property("x")))
    report(connection, graph_id="open")
    put_item(connection, "one")
    make_group(connection, "team")
    selection = OperationSelection(keys=(failed.pk,))
    runs.start(BulkAction.ACKNOWLEDGE, selection, COMMAND, run_id=RUN)
    error = {"message": "m"}
    runs.start(BulkAction.FAIL, selection, COMMAND, error=error, run_id=OUTCOME_RUN, **REASON)
    make_application(OWNED, name="HR connector")


@pytest.fixture(scope="module")
def values(visitors) -> dict[str, str]:
    """What stands for the parameters of a path."""
    failed = Change.objects.filter(action=Action.OPERATION_FAILED).latest("pk")
    application = Application.objects.get(name="HR connector")
    return {
        "tenant": "common",
        "connection_id": "contosohr",
        "operation_id": failed.operation_graph_id,
        "open_operation": "open",
        "version": "1",
        "kind": "csv",
        "run_id": str(RUN),
        "outcome_run": str(OUTCOME_RUN),
        "fingerprint": ErrorGroup.objects.get().fingerprint,
        "app_id": str(application.app_id),
        "key_id": str(application.secrets.get().key_id),
        "key": str(failed.pk),
        "item_key": str(ExternalItem.objects.get().pk),
        "group_key": str(ExternalGroup.objects.get().pk),
    }


def test_every_page_has_a_row():
    there = [path for path in all_routes() if not is_graphs(path)]
    pages = [path for path in there if not path.startswith("/admin/")]
    assert_complete(HEADING, pages, rows(HEADING, pages))


def test_every_page_by_everybody(visitors, values, http, settings):
    settings.METRICS_TOKEN = "no visitor knows it"
    comparison = Comparison(HEADING, legend("Answers of pages"), says, tells_effects=True)
    pages = [path for path in all_routes() if not is_graphs(path) and "/admin/" not in path]
    chosen = Turns(callers("Visitors of pages"))
    for row in rows(HEADING, pages):
        form = FORMS.get(row.path.partition("?")[0])
        for column, name in chosen.who_tries(row):
            with undone(), writes() as written:
                path = address(row.path, values)
                response = visitors[name].send(http, row.method, path, form)
            comparison.look(row, column, name, response, written)
    comparison.finish()


@pytest.mark.parametrize("name", ["not signed in", "no role", "viewer"])
def test_who_may_not_learns_nothing_of_what_there_is(visitors, values, http, name):
    """A page about something that does not exist is refused as one about something that does."""
    gone = values | {name: "999999999" for name in ("version", "key", "item_key", "group_key")}
    gone |= {"connection_id": "missing", "operation_id": "missing", "open_operation": "missing"}
    gone |= {name: str(uuid.UUID(int=9)) for name in ("run_id", "app_id", "key_id")}
    gone |= {"fingerprint": "0" * 32}
    tried = 0
    for row in rows(HEADING, ()):
        [column] = [each for each, names in callers("Visitors of pages").items() if name in names]
        paths = address(row.path, values), address(row.path, gone)
        if row.method not in ("GET", "POST") or paths[0] == paths[1]:
            continue
        if row.cells[column][:3] not in ("403", "302") or "{tenant}" in row.path:
            continue
        there, missing = (visitors[name].send(http, row.method, path) for path in paths)
        assert there.status_code == missing.status_code, str(row)
        if there.status_code == 403:
            assert bare(there) == bare(missing), str(row)
        tried += 1
    assert tried > 20


def bare(response: HttpResponse) -> str:
    """A page without its request id, the form token and the address it is about."""
    text = response.content.decode().replace(response["request-id"], "")
    text = re.sub(r'(name="csrfmiddlewaretoken" value|name="next" value)="[^"]*"', "", text)
    return re.sub(r"\d\d:\d\d(:\d\d)?", "", text)


@pytest.fixture
def http() -> Iterator[Client]:
    with quiet():
        yield Client(enforce_csrf_checks=True, raise_request_exception=False)
