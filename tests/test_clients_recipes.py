"""The programs in the documents, pasted as they are into a shell or a file of a fresh folder.

They are read from the documents when the tests run: a recipe that stops working fails here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("heading", RECIPES)
def test_recipe(secure, tmp_path, heading):
    language = RECIPES[heading]
    text = program("docs/clients.md", heading, language)
    authority = secure.printed("CA file")
    settings = environment(secure) | {"CA": authority}
    if language == "js":
        (tmp_path / "node_modules").symlink_to(NODE_MODULES)
        (tmp_path / "recipe.mjs").write_text(text)
        seen = run(tmp_path, settings | {"NODE_EXTRA_CA_CERTS": authority}, "node", "recipe.mjs")
        assert seen.strip().startswith("[")
    elif language == "sh":
        assert '"value"' in run(tmp_path, settings, "bash", text=text)
    else:
        for _ in range(2):
            seen = run(tmp_path, settings, sys.executable, "-", text=text)
            assert "completed None" in seen or "'value'" in seen
