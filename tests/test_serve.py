"""``serve`` as a process, driven over HTTP through the whole life of a connection."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.factories import a_schema
from tests.processes import MANAGE, own_database, serve, wait_for

FULL_ERROR = {
    "code": "SourceUnreachable",
    "message": "The source did not answer.",
    "target": "https://source.example",
    "details": [{"code": "Timeout", "message": "No answer in 30 s.", "target": "host"}],
    "innerError": {"code": "1000", "attempts": 3, "trace": {"id": "abc"}},
}


class Http:
    """The standard library's client with a bearer token: nothing of ours between."""

    def __init__(self, base: str, token: str):
        self.base = base
        self.token = token

    def __call__(self, method: str, path: str, body=None):
        url = path if path.startswith("http") else self.base + path
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as refusal:
            response = refusal
        with response:
            text = response.read()
        return response.status, response.headers, json.loads(text) if text else None


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("installation")) as environment:
        yield environment


@pytest.fixture(scope="module")
def serving(installation):
    with serve(installation) as running:
        yield running


@pytest.fixture(scope="module")
def token(serving):
    form = {
        "grant_type": "client_credentials",
        "client_id": serving.printed("Client id"),
        "client_secret": serving.printed("Client secret"),
        "scope": "https://graph.microsoft.com/.default",
    }
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(serving.printed("Token address"), data, timeout=20) as response:
        answer = json.load(response)
    assert answer["token_type"] == "Bearer" and answer["expires_in"] > 3000
    return answer["access_token"]


def test_printed_curl_works_when_pasted(serving):
    done = subprocess.run(
        [*shlex.split(serving.curl), "--silent", "--fail"], capture_output=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    assert "value" in json.loads(done.stdout)


def test_first_start_names_the_roles_of_its_application(serving):
    assert "Its roles      ExternalConnection.ReadWrite.OwnedBy, " in serving.banner
    assert "More credentials" not in serving.banner


@pytest.mark.parametrize("root", ["/v1.0", "/beta"])
@pytest.mark.parametrize("way", ["/connections", "/external/connections"])
def test_whole_life(serving, token, root, way):
    http = Http(serving.address, token)
    name = f"life{root.strip('/v.0')}{len(way)}"
    collection = root + way

    status, headers, created = http("POST", collection, {"id": name, "name": "Contoso HR"})
    assert (status, created["state"]) == (201, "draft")
    assert "/operations/" not in headers["Location"]
    assert http("GET", headers["Location"])[2]["id"] == name

    status, headers, nothing = http("PATCH", f"{collection}/{name}/schema", a_schema())
    assert (status, nothing) == (202, None)
    location = headers["Location"]
    assert location.startswith(f"{serving.address}{root}/external/connections/{name}/operations/")
    assert headers["Content-Type"] is None and int(headers["Retry-After"]) > 0

    def ended():
        status, headers, operation = http("GET", location)
        assert status == 200 and headers["Location"] is None
        return operation if operation["status"] != "inprogress" else None

    operation = wait_for(ended)
    assert operation["status"] == "completed" and operation["error"] is None
    assert http("GET", f"{collection}/{name}")[2]["state"] == "ready"
    assert http("GET", f"{collection}/{name}/schema")[2]["properties"][0]["name"] == "title"

    operations = f"{collection}/{name}/operations"
    status, headers, reported = http("POST", operations, {"id": "1.weu-b.A1"})
    assert (status, reported["status"]) == (201, "inprogress")
    listed = http("GET", operations)[2]["value"]
    assert [row["id"] for row in listed] == ["1.weu-b.A1", operation["id"]]

    status, _, failed = http(
        "PATCH", f"{operations}/1.weu-b.A1", {"status": "failed", "error": FULL_ERROR}
    )
    assert (status, failed["status"], failed["error"]) == (200, "failed", FULL_ERROR)
    assert http("GET", f"{operations}/1.weu-b.A1")[2]["error"] == FULL_ERROR
    assert http("DELETE", f"{operations}/1.weu-b.A1")[0] == 204
    assert http("GET", f"{operations}/1.weu-b.A1")[0] == 404

    status, headers, nothing = http("DELETE", f"{collection}/{name}")
    assert (status, headers["Location"], nothing) == (202, None, None)
    assert http("GET", f"{collection}/{name}")[0] == 404
    assert http("GET", location)[0] == 404


def test_what_a_proxy_would_say_is_not_believed_of_anybody(serving, token):
    """Neither by the web server nor by Django, unless TRUST_FORWARDED_HEADERS tells it to."""
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "localhost",
        "X-Forwarded-Prefix": "/elsewhere",
        "X-Script-Name": "/elsewhere",
        "Script_Name": "/v1.0",
        "Forwarded": "host=localhost;proto=https",
    }
    request = urllib.request.Request(f"{serving.address}/v1.0/connections", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        context = json.load(response)["@odata.context"]
    assert context.startswith(f"{serving.address}/v1.0/$metadata#")


def test_second_start_has_the_same_data_and_shows_no_secret(installation, tmp_path):
    with serve(installation) as first:
        pass
    began = time.monotonic()
    with serve(installation) as second:
        seconds = time.monotonic() - began
        assert "Client secret" not in second.banner and "Password" not in second.banner
        assert "Dashboard" in second.banner
        assert "More credentials: manage.py create_application NAME --role " in second.banner
    assert first.process.returncode == second.process.returncode == 0
    print(f"second start: {seconds:.1f} s until it answers")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_everything_ends_with_the_supervisor(installation, number):
    """Ctrl-C and SIGTERM end it with 0; after a SIGKILL the children notice and end themselves."""
    with serve(installation) as running:
        children = [int(pid) for pid in _children_of(running.process.pid)]
        assert len(children) == 2
        code = running.stop(number)
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        wait_for(lambda: not any(_is_alive(pid) for pid in children), seconds=15)


def test_taken_port_is_refused_with_a_sentence(installation, serving):
    port = serving.address.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, MANAGE, "serve", "--port", port],
        env=installation,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def _children_of(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as handle:
        return handle.read().split()


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
