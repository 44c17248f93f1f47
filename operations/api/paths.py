"""The forms a Graph path may take, brought to one before it is routed."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls.converters import StringConverter

from operations.middleware import GetResponse

ROOT = re.compile(r"^/+(v1\.0|beta)(?=/|$)", re.IGNORECASE)
#: Path segments that are names and not keys, matched in any case.
NAMES = {
    name.lower(): name
    for name in (
        "v1.0 beta external connections operations schema items groups members quota activities "
        "$count $batch $metadata"
    ).split()
}
KEY_IN_PARENTHESES = re.compile(r"^([A-Za-z]+)\((?:id=)?(?:'((?:[^']|'')+)'|([A-Za-z0-9._~-]+))\)$")


def is_api_path(path: str) -> bool:
    """Whether a path lies below a version root, so that its errors are Graph's envelope."""
    return ROOT.match(path) is not None


def is_token_path(path: str) -> bool:
    """Whether a path is one of the token endpoint's, whose errors have OAuth's own form."""
    return "/oauth2/" in path


def canonical_path(path: str) -> str:
    """One form for all: single slashes, none at the end, keys as segments, names in Graph's case.

    ``path`` is as it came over the wire. It is split first and each segment decoded then, so a key
    may hold an encoded slash; in the result a slash and a percent sign inside a segment stay
    encoded (``KeyConverter`` decodes them). ``/v1.0//Connections('contosohr')/`` becomes
    ``/v1.0/connections/contosohr``. Two quotes inside a key are one (OData 4.01 URL conventions).
    The Python SDK sends the doubled slash by default.
    """
    segments: list[str] = []
    for segment in map(unquote, path.split("/")):
        if not segment:
            continue
        keyed = KEY_IN_PARENTHESES.match(segment)
        if keyed:
            quoted, bare = keyed.group(2), keyed.group(3)
            segments += [keyed.group(1), bare if quoted is None else quoted.replace("''", "'")]
        else:
            segments.append(segment)
    # root, then external or not, then name and key in turn; a key is never touched
    first = 2 if len(segments) > 1 and segments[1].lower() == "external" else 1
    for position, segment in enumerate(segments):
        if position < first or (position - first) % 2 == 0 or segment.startswith("$"):
            segments[position] = NAMES.get(segment.lower(), segment)
    return "/" + "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in segments)


class KeyConverter(StringConverter):
    """A key in a canonical path, as the caller meant it."""

    def to_python(self, value: str) -> str:
        return unquote(value)


def wire_path(request: HttpRequest) -> str:
    """The path as it came over the wire, below the point where the service is mounted.

    WSGI decodes the path and so loses which slashes were encoded; the web server's ``RAW_URI`` has
    them. It is believed when it decodes to the path that WSGI gives, else that path stands.
    """
    raw = request.META.get("RAW_URI", "").partition("?")[0]
    raw = raw.removeprefix(request.META.get("SCRIPT_NAME", ""))
    return raw if unquote(raw) == request.path_info else quote(request.path_info)


def base_url(request: HttpRequest) -> str:
    """The address that the client used, or PUBLIC_URL; no slash at the end."""
    if settings.PUBLIC_URL:
        return settings.PUBLIC_URL
    return request.build_absolute_uri(request.META.get("SCRIPT_NAME", "") or "/").rstrip("/")


#: Graph's own servers write theirs here; programs log it, and some parse it.
DIAGNOSTIC = json.dumps(
    {
        "ServerInfo": {
            "DataCenter": "self-hosted",
            "Slice": "E",
            "Ring": "0",
            "ScaleUnit": "000",
            "RoleInstance": "connectors-admin",
        }
    },
    separators=(",", ":"),
)


def set_graph_headers(response: HttpResponse) -> None:
    """What every answer below a version root carries (graph-contract 4.3)."""
    response["OData-Version"] = "4.0"
    response["x-ms-ags-diagnostic"] = DIAGNOSTIC
    response.setdefault("Vary", "Accept, Prefer")


class GraphPathMiddleware:
    """Rewrites paths below a version root and sets the headers that all their answers share."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api_path(request.path_info):
            return self.get_response(request)
        request.path_info = canonical_path(wire_path(request))
        response = self.get_response(request)
        set_graph_headers(response)
        return response
