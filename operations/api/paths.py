"""The forms a Graph path may take, brought to one before it is routed."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse

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
KEY_IN_PARENTHESES = re.compile(r"^([A-Za-z]+)\((?:'((?:[^']|'')*)'|([A-Za-z0-9._~-]+))\)$")


def is_api_path(path: str) -> bool:
    """Whether a path lies below a version root, so that its errors are Graph's envelope."""
    return ROOT.match(path) is not None


def is_token_path(path: str) -> bool:
    """Whether a path is one of the token endpoint's, whose errors have OAuth's own form."""
    return "/oauth2/" in path


def canonical_path(path: str) -> str:
    """One form for all: single slashes, none at the end, keys as segments, names in Graph's case.

    ``/v1.0//Connections('contosohr')/`` becomes ``/v1.0/connections/contosohr``. Two quotes inside
    a key are one (OData 4.01 URL conventions). The Python SDK sends the doubled slash by default.
    """
    segments: list[str] = []
    for segment in path.split("/"):
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
    return "/" + "/".join(segments)


def base_url(request: HttpRequest) -> str:
    """The address that the client used, or PUBLIC_URL; no slash at the end."""
    if settings.PUBLIC_URL:
        return settings.PUBLIC_URL
    return request.build_absolute_uri(request.META.get("SCRIPT_NAME", "") or "/").rstrip("/")


class GraphPathMiddleware:
    """Rewrites paths below a version root and sets the headers that all their answers share."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api_path(request.path_info):
            return self.get_response(request)
        request.path_info = canonical_path(request.path_info)
        response = self.get_response(request)
        response["OData-Version"] = "4.0"
        response.setdefault("Cache-Control", "no-cache")
        return response
