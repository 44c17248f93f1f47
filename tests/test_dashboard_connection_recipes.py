"""The programs on the API tab: filled in, and the one for the shell runs as it is pasted."""

import ast
import html
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager

import pytest
from django.db import connections
from django.urls import reverse

from operations import tokens
from operations.dashboard.presentation.recipes import (
    CLIENT_ID,
    CLIENT_SECRET,
    LANGUAGES,
    SHOWN,
    example_properties,
)
from operations.item_rules import Shape
from operations.item_rules.values import KINDS
from operations.models import ConnectionOperation, OperationStatus
from tests import factories
from tests.graph import ITEMS_OWNED, OWNED

BEGINNING = re.compile(r'<pre id="code-[^>]*>(.*?)</pre>', re.DOTALL)


def programs(client, query="", **headers):
    address = reverse("connection", args=["contosohr"]) + f"?tab=api{query}"
    text = client.get(address, headers=headers).content.decode()
    return [html.unescape(code) for code in BEGINNING.findall(text)]


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("has_schema", [True, False])
def test_address_tenant_and_connection_are_filled_in_and_no_secret_is(viewer, language, has_schema):
    connection = factories.make_connection("contosohr")
    if has_schema:
        factories.register_schema(connection)

    code = "\n".join(programs(viewer, f"&in={language}"))

    assert "http://testserver" in code
    assert tokens.tenant_id() in code
    assert "contosohr" in code
    assert CLIENT_ID in code and CLIENT_SECRET in code
    assert not re.search(r"\{(schema|item|bag|base|tenant|connection|client|secret)\}", code)
    assert ("to be edited" in code) is has_schema


@pytest.mark.django_db
@pytest.mark.parametrize("has_schema", [True, False])
def test_python_can_be_read_by_python(viewer, has_schema):
    connection = factories.make_connection("contosohr")
    if has_schema:
        factories.register_schema(connection)

    (program,) = programs(viewer, "&in=python")

    compile(program, "recipe", "exec")


@pytest.mark.django_db
def test_an_unknown_language_is_the_first(viewer):
    factories.make_connection("contosohr")

    assert programs(viewer, "&in=cobol") == programs(viewer)


EVERY_TYPE = [{"name": f"p{kind}", "type": kind} for kind in KINDS]


@pytest.mark.parametrize("prop", EVERY_TYPE, ids=lambda prop: prop["type"])
def test_the_item_that_is_put_holds_what_the_schema_in_force_lets_it(prop):
    bag = example_properties([prop])

    assert prop["name"] in bag
    assert Shape.of({"properties": [prop]}).faults(bag) == []


def test_the_item_has_an_address_where_the_schema_says_so_and_no_more_than_a_few_properties():
    link = {"name": "link", "type": "string", "labels": ["url"]}

    bag = example_properties([link, *EVERY_TYPE])

    assert bag["link"].startswith("https://")
    assert len([name for name in bag if "@" not in name]) == SHOWN


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_python_puts_the_same_item(viewer, kind):
    connection = factories.make_connection("contosohr")
    prop = factories.a_property("given", type=kind)
    factories.register_schema(connection, factories.a_schema(prop))

    (program,) = programs(viewer, "&in=python")

    (bag,) = [
        ast.literal_eval(call.keywords[0].value)
        for call in ast.walk(ast.parse(program))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Properties"
    ]
    assert bag == example_properties([prop])


@contextmanager
def working():
    """A worker beside the web server: what is registered comes to an end."""
    over = threading.Event()

    def work():
        while not over.wait(0.1):
            factories.work_off()
        connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_schema", [True, False])
def test_the_shell_runs_it_as_it_is_pasted(live_server, viewer, tmp_path, has_schema):
    application = factories.make_application(OWNED, ITEMS_OWNED)
    connection = factories.make_connection("contosohr", owner=application)
    if has_schema:
        factories.register_schema(connection)
    host = live_server.url.removeprefix("http://")
    code = "\n".join(programs(viewer, host=host))
    code = code.replace(CLIENT_ID, str(application.app_id))
    code = code.replace(CLIENT_SECRET, application.secret_text)

    with working():
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-eu"],
            input=code,
            cwd=tmp_path,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "No token" not in said and '"error":{' not in said.replace('": ', '":'), said
    assert "HTTP/1.1 202" in said
    assert '"value":[]' in done.stdout.splitlines()[-1].replace('": ', '":')
    registration, crawl = connection.operations.order_by("-id")[:2][::-1]
    assert registration.is_workers and registration.status == OperationStatus.COMPLETED
    assert crawl.graph_id.startswith("crawl-") and crawl.status == OperationStatus.COMPLETED
    assert ConnectionOperation.objects.count() == 2 + has_schema
    item = connection.items.get()
    assert item.graph_id == "ticket 1" and item.properties["title"] == "An example"
