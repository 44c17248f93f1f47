"""Pages and their files travel compressed; what the API answers, parts and 304s do not."""

from __future__ import annotations

import gzip

import pytest

from operations.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db
FILE = "/static/operations/app.css"
TAKES = {"Accept-Encoding": "gzip, br"}


def body(response) -> bytes:
    whole = b"".join(response) if response.streaming else response.content
    response.close()
    return whole


@pytest.mark.parametrize("path", ["/", FILE])
def test_a_page_and_a_file_are_the_same_and_shorter(client, path):
    client.force_login(factories.make_person(Role.OPERATOR))
    plain, sent = client.get(path), client.get(path, headers=TAKES)

    assert "Content-Encoding" not in plain.headers
    assert sent.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in sent.headers["Vary"] and "Accept-Encoding" in plain.headers["Vary"]
    whole, packed = body(plain), body(sent)
    assert len(packed) < len(whole) / 2
    if path == FILE:  # a page has other tokens each time
        assert gzip.decompress(packed) == whole


def test_a_file_that_the_browser_has_is_not_sent(client):
    seen = client.get(FILE, headers=TAKES)
    assert body(seen)
    since = {"If-Modified-Since": seen.headers["Last-Modified"]}
    again = client.get(FILE, headers=TAKES | since)
    assert (again.status_code, body(again)) == (304, b"")
    assert "Content-Encoding" not in again.headers


def test_a_file_is_known_by_the_tag_that_was_given(client):
    seen = client.get(FILE, headers=TAKES)
    assert body(seen) and seen.headers["ETag"].startswith("W/")
    again = client.get(FILE, headers=TAKES | {"If-None-Match": seen.headers["ETag"]})
    assert (again.status_code, body(again)) == (304, b"")


def test_a_part_of_a_file_is_a_part_of_the_file(client):
    part = client.get(FILE, headers=TAKES | {"Range": "bytes=0-299"})
    assert part.status_code == 206 and "Content-Encoding" not in part.headers
    assert body(part) == body(client.get(FILE))[:300]


def test_a_fragment_that_the_browser_has_is_not_sent(client):
    client.force_login(factories.make_person(Role.OPERATOR))
    tag = client.get("/?fragment=1", headers=TAKES).headers["ETag"]
    again = client.get("/?fragment=1", headers=TAKES | {"If-None-Match": tag})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/sign-in/", FILE])
@pytest.mark.parametrize("takes", [{}, TAKES])
def test_head_tells_no_other_length_than_get(client, path, takes):
    got, told = client.get(path, headers=takes), client.head(path, headers=takes)
    whole = body(got)
    assert body(told) == b""
    assert told.headers["Vary"] == got.headers["Vary"]
    length = told.headers.get("Content-Length")
    # a page has other tokens and another padding each time, a compressed file an unknown length
    assert length is None or abs(int(length) - len(whole)) < 200


def test_the_api_answers_as_it_is(graph):
    response = graph.get("/v1.0/$metadata", **TAKES)
    assert response.status_code == 200 and "Content-Encoding" not in response.headers
