"""``POST /$batch``: up to 20 requests in one, each answered as if it had been sent alone.

Graph-contract 4.8. The parts run one after another in the order given, each in a transaction of
its own; there is no transaction around them.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import time
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404
from rest_framework.request import Request

from operations.api.errors import broken, refusal
from operations.api.paths import (
    call_view,
    canonical_path,
    is_api_path,
    is_utf8,
    set_graph_headers,
)
from operations.api.representation import Json
from operations.api.views import GraphViewSet
from operations.errors import (
    BatchAnswerTooLarge,
    FailedDependency,
    Fault,
    GraphError,
    InvalidRequest,
    MethodNotAllowed,
    TooManyRequests,
    UnknownSegment,
    invalid,
    required,
)
from operations.middleware import assign_request_ids, log_access, logs_about, set_request_ids
from operations.models import RequestCount

MAX_PARTS = 20
#: Bytes of answers after which no further part is carried out: all of them are in memory at once.
MOST_ANSWERED = 16_000_000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

log = logging.getLogger(__name__)


class BatchViewSet(GraphViewSet):
    """The token is checked for the batch; rate, roles and ownership for each part."""

    needs_role = False
    counts = False

    def most_bytes(self) -> int:
        return max(settings.MAX_BODY_BYTES, settings.MAX_ITEM_BYTES)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except MethodNotAllowed:
            self.count_request()  # it has no parts that would
            raise

    def create(self, request: Request) -> HttpResponse:
        self.query_options()
        try:
            parts = _read_parts(self.body())
        except GraphError:
            self.count_request()  # a refused batch has no parts that count
            raise
        outer = request._request
        statuses: dict[str, int] = {}
        responses = []
        self.answered = 0
        for part in parts:
            response = self._answer_part(outer, part, statuses)
            statuses[part["id"]] = response.status_code
            self.answered += len(response.content)
            responses.append(_part_json(part["id"], response))
        return self.answer({"responses": responses})

    def _answer_part(
        self, outer: HttpRequest, part: Json, statuses: dict[str, int]
    ) -> HttpResponse:
        """Whatever a part does, the batch goes on: earlier parts have been carried out."""
        inner = self._request_of(outer, part)
        began = time.perf_counter()
        with logs_about(inner, batch_request_id=outer.request_id):  # type: ignore[attr-defined]
            try:
                response = self._respond(inner, part, statuses)
                self._count(inner)
            except GraphError as error:
                response = self._refuse(error, inner)
            except Exception as error:
                log.exception("Part %s of a batch broke.", part["id"])
                response = refusal(broken(error), inner)
            log_access(inner, response, time.perf_counter() - began)
        set_request_ids(inner, response)
        set_graph_headers(response)
        return response

    def _refuse(self, error: GraphError, inner: HttpRequest) -> HttpResponse:
        try:
            self._count(inner)
        except TooManyRequests as too_many:
            error = too_many
        return refusal(error, inner)

    def _count(self, inner: HttpRequest) -> None:
        """Count a part that no resource has counted: it led to none, or brought a bad token."""
        if not hasattr(inner, "is_counted"):
            inner.is_counted = True  # type: ignore[attr-defined]
            RequestCount.add(self.caller.app_id)

    def _respond(self, inner: HttpRequest, part: Json, statuses: dict[str, int]) -> HttpResponse:
        for dependency in _dependencies(part):
            if statuses[dependency] >= 400:
                raise FailedDependency(dependency)
        if self.answered >= MOST_ANSWERED:
            raise BatchAnswerTooLarge(MOST_ANSWERED)
        path, query = self._address(part["url"])
        inner.path_info = path
        inner.META["QUERY_STRING"] = quote(query, safe=QUERY_SAFE)
        try:
            return call_view(inner)
        except Resolver404:
            raise UnknownSegment(path) from None

    def _request_of(self, outer: HttpRequest, part: Json) -> HttpRequest:
        """The part as a request of its own, with the batch's token unless it brings one."""
        body = b"" if part.get("body") is None else _as_sent_alone(part["body"])
        headers = {
            "HTTP_" + str(name).upper().replace("-", "_"): str(value)
            for name, value in (part.get("headers") or {}).items()
        }
        environ = {
            **{name: value for name, value in outer.META.items() if name not in OF_THE_BATCH},
            **{name: value for name, value in headers.items() if name not in ADDRESS_HEADERS},
            "REQUEST_METHOD": part["method"].upper(),
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        inner = WSGIRequest(environ)
        inner.batch_part = part["id"]  # type: ignore[attr-defined]
        outer_id: str = outer.own_client_request_id  # type: ignore[attr-defined]
        assign_request_ids(inner, headers.get("HTTP_CLIENT_REQUEST_ID", outer_id))
        return inner

    def _address(self, url: str) -> tuple[str, str]:
        """Path and query of a part's URL: absolute on this server, or relative to a root."""
        try:
            # without a scheme it is a path, though it may begin with two slashes
            parsed = urlsplit(url if "://" in url.partition("?")[0] else f"/{url.lstrip('/')}")
        except ValueError:
            raise InvalidRequest([invalid("url", "must be a URL")]) from None
        path = parsed.path
        if parsed.scheme:
            if parsed.netloc.lower() != urlsplit(self.root.server).netloc.lower():
                raise InvalidRequest([invalid("url", "must be an address of this server")])
            path = path.removeprefix(urlsplit(self.root.server).path)
        path = "/" + path.lstrip("/")
        if not is_api_path(path):
            path = f"/{self.root.version}{path}"
        if not is_utf8(path):
            raise InvalidRequest([invalid("url", "must be percent-encoded UTF-8")])
        path = canonical_path(path)
        if path.endswith("/$batch"):
            raise InvalidRequest([invalid("url", "must not be a batch: batches do not nest")])
        return path, parsed.query


#: What a query may hold unescaped; the rest (a client may send any text in JSON) is escaped.
QUERY_SAFE = "%&=+$,;:@/?!'()*~-._"
#: What belongs to the batch itself and not to its parts.
OF_THE_BATCH = frozenset(
    "HTTP_ACCEPT HTTP_CONTENT_TYPE HTTP_CONTENT_LENGTH HTTP_TRANSFER_ENCODING HTTP_PREFER "
    "HTTP_IF_MATCH HTTP_IF_NONE_MATCH CONTENT_TYPE CONTENT_LENGTH".split()
)

#: Where the batch came in is where its parts came in.
ADDRESS_HEADERS = frozenset("HTTP_HOST HTTP_X_FORWARDED_HOST HTTP_X_FORWARDED_PROTO".split())


def _read_parts(document: Json) -> list[Json]:
    """The parts, checked. Raises InvalidRequest with everything that is wrong with the batch."""
    entries = document.get("requests")
    if entries is None:
        raise InvalidRequest([required("requests")])
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_PARTS:
        raise InvalidRequest([invalid("requests", f"must have 1 to {MAX_PARTS} entries")])
    faults: list[Fault] = []
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        path = f"requests/{index}"
        if not isinstance(entry, dict):
            faults.append(invalid(path, "must be an object"))
            continue
        faults += _part_faults(path, entry, seen)
        if isinstance(entry.get("id"), str):
            seen.add(entry["id"])
    if faults:
        raise InvalidRequest(faults)
    return entries


def _part_faults(path: str, entry: Json, seen: set[str]) -> list[Fault]:
    faults = []
    for member in ("id", "method", "url"):
        if not isinstance(entry.get(member), str) or not entry[member]:
            faults.append(invalid(f"{path}/{member}", "must be a text that is not empty"))
    if isinstance(entry.get("id"), str) and entry["id"] in seen:
        faults.append(invalid(f"{path}/id", "must be unique in the batch"))
    method = entry.get("method")
    if isinstance(method, str) and method.upper() not in METHODS:
        faults.append(invalid(f"{path}/method", f"must be one of {', '.join(METHODS)}"))
    if not isinstance(entry.get("headers") or {}, dict):
        faults.append(invalid(f"{path}/headers", "must be an object"))
    dependencies = _dependencies(entry)
    if not isinstance(dependencies, list):
        return [*faults, invalid(f"{path}/dependsOn", "must be a collection of ids")]
    for dependency in dependencies:
        if not isinstance(dependency, str) or dependency not in seen:
            faults.append(
                invalid(
                    f"{path}/dependsOn",
                    f"must name earlier requests of the batch, not '{str(dependency)[:60]}'",
                )
            )
    return faults


def _as_sent_alone(body: Any) -> bytes:
    """No longer than it has to be: a limit of bytes is the same inside a batch."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _dependencies(entry: Json) -> Any:
    """``dependsOn``; the Python SDK spells it ``depends_on``."""
    return entry.get("dependsOn") or entry.get("depends_on") or []


def _part_json(part_id: str, response: HttpResponse) -> Json:
    part: Json = {
        "id": part_id,
        "status": response.status_code,
        # the Python SDK wants a Content-Type on every part, also on one without a body
        "headers": {"Content-Type": "application/json", **dict(response.items())},
    }
    if response.content:
        if response.get("Content-Type", "").startswith("application/json"):
            part["body"] = json.loads(response.content)
        else:
            part["body"] = base64.b64encode(response.content).decode()
    return part
