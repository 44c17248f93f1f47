"""The programs on the API tab: filled in, and the one for the shell runs as it is pasted."""

import html
import re
import shutil
import subprocess

import pytest
from django.urls import reverse

from operations import tokens
from operations.dashboard.presentation.recipes import CLIENT_ID, CLIENT_SECRET, LANGUAGES
from operations.models import ConnectionOperation, OperationStatus
from tests import factories
from tests.graph import OWNED

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
    assert not re.search(r"\{(schema|base|tenant|connection|client|secret)\}", code)
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_schema", [True, False])
def test_the_shell_runs_it_as_it_is_pasted(live_server, viewer, tmp_path, has_schema):
    application = factories.make_application(OWNED)
    connection = factories.make_connection("contosohr", owner=application)
    if has_schema:
        factories.register_schema(connection)
    host = live_server.url.removeprefix("http://")
    code = "\n".join(programs(viewer, host=host))
    code = code.replace(CLIENT_ID, str(application.app_id))
    code = code.replace(CLIENT_SECRET, application.secret_text)
    # no worker runs here: what is registered is looked at once and then let go
    code = code.replace("grep -q inprogress", "grep -q nothing")

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
    assert registration.is_workers and registration.status == OperationStatus.INPROGRESS
    assert crawl.graph_id.startswith("crawl-") and crawl.status == OperationStatus.COMPLETED
    assert ConnectionOperation.objects.count() == 2 + has_schema
