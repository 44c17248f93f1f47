"""What a caller sees of a service whose database is away, by every way in."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tests.factories import a_schema
from tests.processes import Serving


def ask(
    serving: Serving,
    path: str,
    body: Any = None,
    *,
    method: str | None = None,
    form: dict | None = None,
    bearer: bool = True,
) -> tuple[int, Any, Any]:
    """Status, headers and body (parsed where it is JSON) of one request."""
    data = json.dumps(body).encode() if body is not None else None
    data = urllib.parse.urlencode(form).encode() if form is not None else data
    headers = {"Authorization": f"Bearer {serving.token}"} if bearer else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(serving.address + path, data, headers, method=method)
    try:
        response = urllib.request.urlopen(request, timeout=40)
    except urllib.error.HTTPError as refusal:
        response = refusal
    with response:
        text = response.read().decode()
    is_json = (response.headers["Content-Type"] or "").startswith("application/json")
    return response.status, response.headers, json.loads(text) if is_json else text


def refused_calmly(answer: tuple[int, Any, Any]) -> bool:
    """Whether it is the 503 in Graph's envelope; any other 503 fails."""
    status, headers, body = answer
    if status != 503:
        return False
    assert headers["Retry-After"] == "5"
    assert body["error"]["code"] == "serviceNotAvailable"
    assert body["error"]["innerError"]["code"] == "DatabaseUnavailable"
    assert body["error"]["innerError"]["request-id"] == headers["request-id"]
    assert "client-request-id" in body["error"]["innerError"]["message"]
    return True


def create(serving: Serving, graph_id: str) -> tuple[int, Any, Any]:
    return ask(serving, "/v1.0/external/connections", {"id": graph_id, "name": graph_id})


def register(serving: Serving, graph_id: str) -> tuple[int, Any, Any]:
    path = f"/v1.0/external/connections/{graph_id}/schema"
    return ask(serving, path, a_schema(), method="PATCH")


def check_writes(serving: Serving) -> None:
    """The database takes no writes: an API call, the parts of a batch, a page that writes."""
    assert refused_calmly(create(serving, "refused"))
    part = {"id": "1", "method": "POST", "url": "/external/connections"}
    batch = {"requests": [part | {"body": {"id": "refused", "name": "x"}}]}
    status, _, answer = ask(serving, "/v1.0/$batch", batch)
    assert status == 200
    [part] = answer["responses"]
    assert refused_calmly((part["status"], part["headers"], part["body"]))


def check_reads(serving: Serving) -> None:
    """The database does not answer at all: every way in."""
    assert refused_calmly(ask(serving, "/v1.0/external/connections"))
    # a token that was accepted a moment ago is known without the database, another is not
    part = {"id": "1", "method": "GET", "url": "/external/connections"}
    answer = status, _, batch = ask(serving, "/v1.0/$batch", {"requests": [part]})
    if status == 200:
        [part] = batch["responses"]
        answer = part["status"], part["headers"], part["body"]
    assert refused_calmly(answer)
    answer = ask(serving, "/v1.0/no/such/path")
    assert answer[0] == 404 or refused_calmly(answer)

    path = urllib.parse.urlsplit(serving.printed("Token address")).path
    status, headers, body = ask(serving, path, form=client(serving), bearer=False)
    assert (status, body["error"], headers["Retry-After"]) == (503, "temporarily_unavailable", "5")
    assert body["error_codes"] == [90033] and body["trace_id"] == headers["request-id"]

    for page in ("/", "/sign-in/", "/connections/", "/admin/", "/no/such/page/"):
        check_page(ask(serving, page, bearer=False), page)


def check_page(answer: tuple[int, Any, Any], page: str) -> None:
    """Either it needs no database, or it is the calm page in our frame."""
    status, headers, text = answer
    if status == 503:
        assert headers["Retry-After"] == "5"
        assert "One moment, please" in text and headers["request-id"] in text
        assert "Content-Security-Policy" in headers and "Connectors Admin" in text
    else:
        assert status in (200, 302, 404), (page, status)


def client(serving: Serving) -> dict[str, str]:
    """The form that asks for a token."""
    return {
        "grant_type": "client_credentials",
        "client_id": serving.printed("Client id"),
        "client_secret": serving.printed("Client secret"),
        "scope": "api://connectors-admin/.default",
    }


def token_is_given(serving: Serving) -> bool:
    path = urllib.parse.urlsplit(serving.printed("Token address")).path
    status, _, body = ask(serving, path, form=client(serving), bearer=False)
    return status == 200 and body["token_type"] == "Bearer"
