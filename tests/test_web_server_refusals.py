"""What the web server refuses before Django sees it: Graph's envelope too, and quickly."""

from __future__ import annotations

import json
import re
import socket
from urllib.parse import urlsplit

import pytest

from operations.browser_headers import HEADERS
from tests.graph import GUID
from tests.processes import own_database, serve


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with (
        own_database(tmp_path_factory.mktemp("refusals")) as environment,
        serve(environment, "--no-worker") as serving,
    ):
        parsed = urlsplit(serving.address)
        yield parsed.hostname, parsed.port


def exchange(address: tuple[str, int], request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are, and read the answer to its end."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    ("query", "length"),
    [("status eq 'failed' or ", 100_000), ("(", 10_000), ("a=1&", 8_190)],
    ids=["100 kB", "10,000 parentheses", "many options"],
)
@pytest.mark.parametrize("root", ["/v1.0/connections", "/beta/external/connections"])
def test_an_address_that_is_too_long(address, root, query, length):
    text = (query * length)[:length].replace(" ", "%20")
    status, headers, body = exchange(
        address, f"GET {root}?$filter={text} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (400, "BadRequest")
    assert error["message"] == "The address with its query options is longer than 8190 bytes."
    assert error["innerError"]["code"] == "UnreadableRequest"
    assert GUID.fullmatch(headers["request-id"])
    assert error["innerError"]["request-id"] == headers["request-id"]
    assert headers["content-type"].startswith("application/json;")
    expected = {name.lower(): value.lower() for name, value in HEADERS.items()}
    assert headers == headers | expected


def test_a_header_that_is_too_long(address):
    token = "a" * 100_000
    request = f"GET /v1.0/connections HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n"
    status, _, body = exchange(address, request.encode())
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (431, "BadRequest")
    assert re.match(r"A header is longer than \d+ bytes", error["message"])


@pytest.mark.parametrize(
    "request_line", [b"\x00\x01\x02", b"GET", b"GET / HTTP/9.9", b"G\xe4T / x"]
)
def test_what_is_no_http(address, request_line):
    status, _, body = exchange(address, request_line + b"\r\nHost: localhost\r\n\r\n")
    assert status == 400
    assert json.loads(body)["error"]["message"] == "The request is not one that HTTP has."


def test_after_all_that_it_still_answers(address):
    status, _, body = exchange(
        address, b"GET /v1.0/connections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert status == 401
    assert json.loads(body)["error"]["code"] == "InvalidAuthenticationToken"
