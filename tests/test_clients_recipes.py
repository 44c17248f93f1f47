"""The programs in the documents, pasted as they are into a shell or a file of a fresh folder.

They are read from the documents when the tests run: a recipe that stops working fails here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from operations.dashboard.presentation.recipes import CLIENT_ID, CLIENT_SECRET, LANGUAGES
from tests.processes import Serving, own_database, serve

pytestmark = pytest.mark.clients

HOME = Path(__file__).resolve().parent.parent
NODE_MODULES = HOME / "tests" / "clients" / "javascript" / "node_modules"


def program(document: str, heading: str, language: str) -> str:
    """The longest program in a language below a heading of a document, without its subheadings."""
    (section,) = re.findall(
        rf"^##+ {re.escape(heading)}[^\n]*\n(.*?)(?=^##+ |\Z)",
        (HOME / document).read_text(),
        re.MULTILINE | re.DOTALL,
    )
    return max(
        re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL), key=len
    )


def environment(serving: Serving) -> dict[str, str]:
    """What a reader sets from the banner, in a shell that knows nothing else."""
    return {
        "PATH": os.environ["PATH"],
        "BASE": serving.printed("Graph API").removesuffix("/v1.0"),
        "TENANT": serving.printed("Tenant id"),
        "CLIENT_ID": serving.printed("Client id"),
        "CLIENT_SECRET": serving.printed("Client secret"),
        "PYTHONWARNINGS": "ignore",
    }


def run(folder: Path, environment: dict[str, str], *command: str, text: str = "") -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("plain")) as settings, serve(settings) as running:
        yield running


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secure")
    with own_database(folder) as settings, serve(settings, "--tls") as running:
        yield running


def readme_in_curl(secret: str | None = None) -> str:
    """Both blocks of the README, with the lines left out in which a reader types the values."""
    life, queries = (
        program("README.md", heading, "sh") for heading in ("The life of an operation", "Endpoints")
    )
    kept = [line for line in life.splitlines() if not line.startswith("export ")]
    assert len(life.splitlines()) - len(kept) == 2
    return "\n".join([f"CLIENT_SECRET={secret}" if secret else "", *kept, queries])


def test_readme_in_curl(plain, tmp_path):
    """From the token to the 404 of the deleted connection, and once more: it leaves nothing."""
    for _ in range(2):
        seen = run(tmp_path, environment(plain), "bash", text=readme_in_curl())
        assert "No token" not in seen and "curl:" not in seen
        assert seen.count("HTTP/1.1 202") == 2
        assert '"status":"completed"' in seen.replace('": "', '":"')
        *_, filtered, expanded, gone = [line for line in seen.splitlines() if line.startswith("{")]
        assert "SourceUnreachable" in filtered and "SourceUnreachable" in expanded
        assert "ItemNotFound" in gone


def test_readme_in_curl_says_why_there_is_no_token(plain, tmp_path):
    seen = run(tmp_path, environment(plain), "bash", text=readme_in_curl(secret="wrong"))
    assert re.search(r'^No token: .*"AADSTS7000215: ', seen, re.MULTILINE)


def test_readme_in_python(plain, tmp_path):
    text = program("README.md", "The life of an operation", "python")
    for _ in range(2):
        assert re.search(
            r" completed None$",
            run(tmp_path, environment(plain), sys.executable, "-", text=text).strip(),
        )


RECIPES = {
    "curl": "sh",
    "Python: msgraph-sdk with azure-identity": "python",
    "Python: msal": "python",
    "JavaScript: @microsoft/microsoft-graph-client": "js",
}


def paste(serving: Serving, folder: Path, language: str, text: str) -> str:
    """What is seen of a program of docs/clients.md."""
    authority = serving.printed("CA file")
    settings = environment(serving) | {"CA": authority}
    if language == "js":
        if not (folder / "node_modules").exists():
            (folder / "node_modules").symlink_to(NODE_MODULES)
        (folder / "recipe.mjs").write_text(text)
        return run(folder, settings | {"NODE_EXTRA_CA_CERTS": authority}, "node", "recipe.mjs")
    if language == "sh":
        return run(folder, settings, "bash", text=text)
    return run(folder, settings, sys.executable, "-", text=text)


@pytest.mark.parametrize("heading", RECIPES)
def test_recipe(secure, tmp_path, heading):
    language = RECIPES[heading]
    text = program("docs/clients.md", heading, language)
    for _ in range(2 if language == "python" else 1):
        seen = paste(secure, tmp_path, language, text)
        if language == "js":
            assert seen.strip().startswith("[")
        elif language == "sh":
            assert '"value"' in seen
        else:
            assert "completed None" in seen or "'value'" in seen


def items_of(heading: str, below: str) -> tuple[str, str]:
    """The language, and a program with the one that goes below it."""
    language = RECIPES[heading]
    first, then = (program("docs/clients.md", each, language) for each in (heading, below))
    return language, f"{first}\n{then}"


def test_items_and_groups_with_curl(secure, tmp_path):
    """Twice: it leaves nothing but the connection, which is there already then."""
    language, text = items_of("curl", "Items and groups with curl")
    for turn in range(2):
        seen = paste(secure, tmp_path, language, text)
        assert "curl:" not in seen
        lines = [line.replace('": ', '":') for line in seen.splitlines()]
        assert "".join(lines).count('"error":{') == turn, seen
        read = next(line for line in lines if "It is mended" in line and '"content"' in line)
        assert '"id":"TSP 2/8"' in read and "It prints everything twice." in read
        assert any('"id":"HR Bonn"' in line and '"value":[' in line for line in lines)
        assert any("externalActivityResult" in line and '"error":null' in line for line in lines)


def test_items_and_groups_with_the_python_sdk(secure, tmp_path):
    language, text = items_of(
        "Python: msgraph-sdk with azure-identity", "Items and groups with msgraph-sdk"
    )
    for _ in range(2):
        seen = paste(secure, tmp_path, language, text)
        assert "'tags': ['printer', 'größer']" in seen
        assert "properties/titel PropertyNotDeclared" in seen
        assert "acl RequiredPropertyMissing" in seen
        assert seen.strip().endswith("['HR Bonn']")


def test_items_with_requests(secure, tmp_path):
    language, text = items_of("curl", "Items and groups with curl")
    paste(secure, tmp_path, language, text)
    language, text = items_of("Python: msal", "Items with requests")
    for _ in range(2):
        seen = paste(secure, tmp_path, language, text)
        assert "\n200 None\n" in seen and seen.strip().endswith("204")
        assert "'id': 'TSP 2/8'" in seen and "'title': 'It is broken'" in seen


def test_items_and_groups_with_javascript(secure, tmp_path):
    language, text = items_of(
        "JavaScript: @microsoft/microsoft-graph-client",
        "Items and groups with microsoft-graph-client",
    )
    for _ in range(2):
        seen = paste(secure, tmp_path, language, text)
        assert "title: 'It is mended'" in seen and "It prints everything twice." in seen
        assert "properties/titel PropertyNotDeclared" in seen
        assert "id: 'HR Bonn'" in seen


def test_the_python_program_of_a_connections_page(plain, tmp_path):
    """Filled in as the page does it; curl's is run by test_dashboard_connection_recipes."""
    create = urllib.request.Request(
        f"{plain.address}/v1.0/external/connections",
        data=json.dumps({"id": "contosopage", "name": "Contoso"}).encode(),
        headers={"Authorization": f"Bearer {plain.token}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(create, timeout=20).close()
    title = {"name": "title", "type": "string"}
    for properties in ([], [title]):  # before there is a schema, and with it in force
        filled_in = LANGUAGES["python"].filled_in(
            base_url=plain.address,
            tenant=plain.printed("Tenant id"),
            connection="contosopage",
            has_schema=bool(properties),
            properties=properties,
        )
        text = filled_in.program.replace(CLIENT_ID, plain.printed("Client id"))
        text = text.replace(CLIENT_SECRET, plain.printed("Client secret"))
        seen = run(tmp_path, environment(plain), sys.executable, "-", text=text)
        assert "completed None" in seen
        assert "ticket 1 {'title': 'An example'}" in seen
