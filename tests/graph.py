"""A client of the Graph surface for tests, and one helper that reads a whole refusal."""

from __future__ import annotations

import json
import re
from typing import Any

from django.http import HttpResponse
from django.test import Client

from operations import tokens
from operations.models import Application

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OWNED = "ExternalConnection.ReadWrite.OwnedBy"
ITEMS_OWNED = "ExternalItem.ReadWrite.OwnedBy"
ITEMS_READ_ALL = "ExternalItem.Read.All"
ITEMS_WRITE_ALL = "ExternalItem.ReadWrite.All"
READ_ALL = "ExternalConnection.Read.All"
WRITE_ALL = "ExternalConnection.ReadWrite.All"


class GraphClient:
    """Sends JSON with a bearer token through Django's whole stack."""

    def __init__(self, application: Application | None = None, token: str | None = None):
        self.application = application
        if token is None and application is not None:
            token = tokens.issue_token(application)[0]
        self.token = token
        self.http = Client(raise_request_exception=False)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """``body``: None for none, str or bytes as they are, anything else as JSON."""
        extra: dict[str, Any] = {}
        if self.token is not None:
            extra["Authorization"] = f"Bearer {self.token}"
        extra |= {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = extra.pop("Content-Type", "application/json")
        if body is None:
            data = b""
        elif isinstance(body, str | bytes):
            data = body.encode() if isinstance(body, str) else body
        else:
            data = json.dumps(body).encode()
        return self.http.generic(
            method, path, data, content_type=content_type, headers=extra, RAW_URI=path
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.request("DELETE", path, **headers)


def untagged(body: Any) -> Any:
    """An answer without its ``@odata.etag``s, which differ each time; each must be a weak tag."""
    if isinstance(body, list):
        return [untagged(entry) for entry in body]
    if not isinstance(body, dict):
        return body
    rest = dict(body)
    tag = rest.pop("@odata.etag", None)
    assert tag is None or re.fullmatch(r'W/"[0-9a-z-]+"', tag), tag
    return {name: untagged(value) for name, value in rest.items()}


def assert_refused(
    response: HttpResponse,
    status: int,
    code: str,
    *,
    inner: str | None = None,
    target: str | None = None,
    says: str = "",
) -> dict[str, Any]:
    """The whole of a refusal: status, type, envelope, ids. Returns ``error``."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"].partition(";")[0] == "application/json"
    assert GUID.fullmatch(response["request-id"])
    body = json.loads(response.content)
    assert list(body) == ["error"]
    error = body["error"]
    assert error["code"] == code, error
    assert isinstance(error["message"], str) and error["message"]
    assert error["innerError"]["request-id"] == response["request-id"]
    assert error["innerError"]["client-request-id"] == response["client-request-id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", error["innerError"]["date"])
    for detail in error.get("details", []):
        assert detail["code"] and detail["message"]
    if inner is not None:
        assert error["innerError"]["code"] == inner, error
    if target is not None:
        assert error["target"] == target, error
    assert says in error["message"], error
    return error
