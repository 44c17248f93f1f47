"""Below a path of a host that has other services: every address leads back to where we are.

A real proxy is in front, which passes the path on in one half of these tests and takes it away in
the other.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.factories import a_schema
from tests.processes import own_database, serve, wait_for

PREFIX = "/connectors"
PLACES = ["", "docs", "openapi.json", "admin/", "settings/", "operations/", "connections/"]
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "server", "date"}


class Proxy(BaseHTTPRequestHandler):
    """Knows one service below PREFIX and nothing else."""

    protocol_version = "HTTP/1.1"
    backend: tuple[str, int]
    strips = False

    def do_GET(self) -> None:
        path = self.path
        if not re.match(rf"{PREFIX}(/|\?|$)", path):
            self.send_error(421, "This is another service")
            return
        if self.strips:
            path = path.removeprefix(PREFIX) or "/"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behind = http.client.HTTPConnection(*self.backend, timeout=30)
        behind.request(self.command, path, body, dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    public = f"http://127.0.0.1:{proxy.server_port}{PREFIX}"
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    try:
        with (
            own_database(tmp_path_factory.mktemp("sub-path")) as environment,
            serve(environment | {"PUBLIC_URL": public}, "--demo") as running,
        ):
            Proxy.backend = ("127.0.0.1", int(running.address.rpartition(":")[2]))
            yield running
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


@pytest.fixture(params=["path passed on", "path taken away"])
def public(serving, request) -> str:
    Proxy.strips = request.param == "path taken away"
    return serving.printed("Dashboard").rstrip("/")


class Browser:
    """Cookies as a browser keeps them, and no way out of the prefix that goes unseen."""

    def __init__(self, public: str):
        self.public = public
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def open(self, path: str, form: dict[str, str] | None = None) -> tuple[str, str, str]:
        """Where it led, the media type, and the text. ``path`` is on the proxy's host."""
        data = urllib.parse.urlencode(form).encode() if form else None
        address = urllib.parse.urljoin(self.public, path)
        with self.opener.open(urllib.request.Request(address, data), timeout=30) as response:
            media_type = response.headers.get_content_type()
            return response.url, media_type, response.read().decode("utf-8", "replace")

    def sign_in(self, serving) -> str:
        _, _, text = self.open(f"{PREFIX}/sign-in/")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
        form = {
            "username": serving.printed("Operator"),
            "password": serving.printed("Password"),
            "csrfmiddlewaretoken": found[1],
        }
        return self.open(f"{PREFIX}/sign-in/", form)[0]


class Addresses(HTMLParser):
    """Every attribute whose value is an address on the same host, whatever the attribute is."""

    def __init__(self, page: str, text: str):
        super().__init__()
        self.page = page
        self.addresses: set[str] = set()
        self.links: set[str] = set()  # those that can be followed without a form
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src", "action", "formaction") or (value or "").startswith("/"):
                address = urllib.parse.urljoin(self.page, value or "")
                self.addresses.add(address)
                if name in ("href", "src"):
                    self.links.add(address.partition("#")[0])


def shape(address: str) -> str:
    """Alike for pages of one kind: one of these is enough."""
    parsed = urllib.parse.urlsplit(address)
    segments = parsed.path.split("/")[2:]
    names = [name if re.fullmatch(r"[a-z-]{1,20}", name) else "*" for name in segments]
    if "static" in names:
        return parsed.path
    if names[:1] == ["connections"] and len(names) > 2:
        names[1] = "*"
    return "/".join(names) + "?" * bool(parsed.query)


def test_every_page_and_file_is_below_the_path(serving, public):
    browser = Browser(public)
    assert browser.sign_in(serving) == f"{public}/"
    assert {cookie.path for cookie in browser.jar} == {PREFIX}
    host = public.removesuffix(PREFIX)
    waiting, seen, kinds, pages = [f"{public}/{place}" for place in PLACES], set(), Counter(), 0
    while waiting:
        address = waiting.pop()
        kinds[shape(address)] += 1
        if address in seen or kinds[shape(address)] > 1:
            continue
        seen.add(address)
        try:
            led_to, media_type, text = browser.open(address)
        except urllib.error.HTTPError as refused:
            refused.close()
            pytest.fail(f"{address} is a {refused.code}")
        assert led_to.startswith(f"{public}/"), f"{address} led to {led_to}"
        found = set()
        if media_type == "text/html":
            pages += 1
            read = Addresses(led_to, text)
            strays = {
                link
                for link in read.addresses
                if link.startswith(f"{host}/") and not re.match(rf"{public}(/|$)", link)
            }
            assert not strays, f"{address} links to {sorted(strays)}"
            found = read.links
        elif media_type == "text/css":
            named = re.findall(r"url\([\"']?([^\"')]+)", text)
            found = {urllib.parse.urljoin(led_to, name) for name in named}
        waiting += sorted(link for link in found if link.startswith(f"{public}/"))
    print(f"{len(seen)} addresses, {pages} pages of them")
    assert pages > 60 and any("/static/" in address for address in seen)


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(serving, public):
    browser = Browser(public)
    where = browser.open(f"{PREFIX}/operations/")[0]
    assert where == f"{public}/sign-in/?next={PREFIX}/operations/"
    for place in ("", "/"):
        assert Browser(public).open(PREFIX + place)[0] == f"{public}/sign-in/?next={PREFIX}/"


def test_every_address_in_the_answers_of_the_api_works(serving, public):
    form = {
        "grant_type": "client_credentials",
        "client_id": serving.printed("Client id"),
        "client_secret": serving.printed("Client secret"),
        "scope": "https://graph.microsoft.com/.default",
    }
    token_address = serving.printed("Token address")
    assert token_address.startswith(f"{public}/")
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(token_address, data, timeout=20) as response:
        token = json.load(response)["access_token"]

    def call(method: str, address: str, body=None):
        if address.startswith("/"):
            address = public + address
        assert address.startswith(f"{public}/"), address
        request = urllib.request.Request(
            address,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            text = response.read()
        return response.headers, json.loads(text) if text else None

    name = f"sub{int(Proxy.strips)}"
    headers, created = call("POST", "/v1.0/external/connections", {"id": name, "name": "x"})
    assert created["@odata.context"].startswith(f"{public}/v1.0/$metadata#")
    assert call("GET", headers["Location"])[1]["id"] == name
    headers, _ = call("PATCH", f"/v1.0/external/connections/{name}/schema", a_schema())
    wait_for(lambda: call("GET", headers["Location"])[1]["status"] == "completed")
    call("POST", f"/v1.0/connections/{name}/operations", {"id": "a"})
    page = call("GET", f"/v1.0/connections/{name}/operations?$top=1")[1]
    assert len(call("GET", page["@odata.nextLink"])[1]["value"]) == 1
    assert call("GET", f"/beta/external/connections('{name}')")[1]["id"] == name
    batch = {"requests": [{"id": "1", "method": "GET", "url": f"/connections/{name}"}]}
    batch["requests"].append(
        {"id": "2", "method": "GET", "url": f"{public}/v1.0/connections/{name}"}
    )
    answers = call("POST", "/v1.0/$batch", batch)[1]["responses"]
    assert [answer["body"]["id"] for answer in answers] == [name, name]

    document = call("GET", "/openapi.json")[1]
    assert all(f"{server['url']}/".startswith(f"{public}/") for server in document["servers"])
    tenant = serving.printed("Tenant id")
    found = call("GET", f"/{tenant}/v2.0/.well-known/openid-configuration")[1]
    assert found["issuer"] == f"{public}/{tenant}/v2.0"
    assert found["token_endpoint"] == token_address
    assert call("GET", found["jwks_uri"])[1]["keys"]


def test_an_encoded_key_arrives_as_it_was_meant(serving, public):
    """The raw address of a request has the path, or has it not."""
    request = urllib.request.Request(f"{public}/v1.0/connections('a%2Fb')")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    assert refused.value.code == 401
    refused.value.close()


def test_who_asks_the_server_itself_needs_no_path(serving):
    """A probe does."""
    with urllib.request.urlopen(f"{serving.address}/sign-in/", timeout=20) as response:
        assert response.status == 200
