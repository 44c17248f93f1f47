"""The forms a Graph path may take, brought to one before it is routed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, get_urlconf, resolve
from django.urls.converters import StringConverter

from operations.middleware import GetResponse

ROOT = re.compile(r"^/+(v1\.0|beta)(?=/|$)", re.IGNORECASE)
#: Path segments that are names and not keys, matched in any case.
NAMES = {
    name.lower(): name
    for name in (
        "v1.0 beta external connections operations schema items groups members quota activities "
        "addActivities microsoft.graph.externalConnectors.addActivities $count $batch $metadata"
    ).split()
}
KEY_IN_PARENTHESES = re.compile(r"^([A-Za-z]+)\((?:id=)?(?:'((?:[^']|'')+)'|([A-Za-z0-9._~-]+))\)$")


def kept_if_short(function: Callable[..., Any]) -> Callable[..., Any]:
    """What it makes of a path is kept, for most calls ask what was asked a moment ago: of so many,
    and so short ones, that nobody can fill the memory."""
    kept = lru_cache(maxsize=1024)(function)

    @wraps(function)
    def call(path: str, *args: Any) -> Any:
        return (kept if len(path) <= 300 else function)(path, *args)

    return call


def is_api_path(path: str) -> bool:
    """Whether a path lies below a version root, so that its errors are Graph's envelope."""
    return ROOT.match(path) is not None


def is_token_path(path: str) -> bool:
    """Whether a path is one of the token endpoint's, whose errors have OAuth's own form."""
    return "/oauth2/" in path


@kept_if_short
def canonical_path(path: str) -> str:
    """One form for all: single slashes, none at the end, keys as segments, names in Graph's case.

    ``path`` is as it came over the wire. It is split first and each segment decoded then, so a key
    may hold an encoded slash; in the result a slash and a percent sign inside a segment stay
    encoded (``KeyConverter`` decodes them). ``/v1.0//Connections('contosohr')/`` becomes
    ``/v1.0/connections/contosohr``. Two quotes inside a key are one (OData 4.01 URL conventions).
    The Python SDK sends the doubled slash by default.
    """
    segments: list[str] = []
    key_next = False  # root, then external or not, then name and key in turn
    for raw in path.split("/"):
        segment = unquote(raw)
        if not segment:
            continue
        if key_next:
            is_name = raw.startswith("$")  # encoded, it begins a key
            segments.append(_name(segment) if is_name else _key(segment))
        elif keyed := KEY_IN_PARENTHESES.match(segment):
            quoted, bare = keyed.group(2), keyed.group(3)
            key = bare if quoted is None else quoted.replace("''", "'")
            segments += [_name(keyed.group(1)), _key(key)]
            continue
        else:
            segments.append(_name(segment))
        at_root = len(segments) == 1 or (len(segments) == 2 and segments[1] == "external")
        key_next = not key_next and not at_root
    return "/" + "/".join(segments)


def _name(segment: str) -> str:
    return _escaped(NAMES.get(segment.lower(), segment))


def _key(segment: str) -> str:
    """Never touched. One that begins with a dollar sign is no ``$count``."""
    escaped = _escaped(segment)
    return f"%24{escaped[1:]}" if escaped.startswith("$") else escaped


def _escaped(segment: str) -> str:
    return segment.replace("%", "%25").replace("/", "%2F")


class KeyConverter(StringConverter):
    """A key in a canonical path, as the caller meant it."""

    def to_python(self, value: str) -> str:
        return unquote(value)


def wire_path(request: HttpRequest) -> str:
    """The path as it came over the wire, below the point where the service is mounted.

    WSGI decodes the path and so loses which slashes were encoded; the web server's ``RAW_URI`` has
    them. It is believed when it decodes to the path that WSGI gives, else that path stands. One
    that is not UTF-8 stays as it is, to be refused.
    """
    raw = request.META.get("RAW_URI", "").partition("?")[0]
    raw = raw.removeprefix(request.META.get("SCRIPT_NAME", ""))
    is_same = not is_utf8(raw) or unquote(raw) == request.path_info
    return raw if is_same else quote(request.path_info, safe="/$")


def is_utf8(path: str) -> bool:
    """Whether what is percent-encoded in a path is text."""
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def base_url(request: HttpRequest) -> str:
    """The address that the client used, or PUBLIC_URL; no slash at the end.

    Raises DisallowedHost when the client used a name that is not ours.
    """
    host = request.get_host()
    if settings.PUBLIC_URL:
        return settings.PUBLIC_URL
    return f"{request.scheme}://{host}{quote(request.META.get('SCRIPT_NAME', ''))}".rstrip("/")


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


#: In the place of every key, so that what a million addresses lead to is looked up once.
KEY = "~"


def _without_keys(path: str) -> tuple[str, list[str]]:
    """A canonical path with ``KEY`` for every key, and the keys."""
    segments = path.split("/")
    first = 3 if segments[2:3] == ["external"] else 2
    keys = []
    for position in range(first + 1, len(segments), 2):
        if not segments[position].startswith("$"):
            keys.append(unquote(segments[position]))
            segments[position] = KEY
    return "/".join(segments), keys


@kept_if_short
def _match(path: str, urlconf: str) -> ResolverMatch:
    """Where a canonical path leads. Raises Resolver404."""
    return resolve(path, urlconf)


def call_view(request: HttpRequest) -> HttpResponse:
    """The answer of the view that a canonical path leads to. Raises Resolver404, and DisallowedHost
    when the client used a name that is not ours."""
    request.get_host()
    urlconf = get_urlconf() or settings.ROOT_URLCONF
    path, keys = _without_keys(request.path_info)
    match = _match(path, urlconf)
    names = [name for name, value in match.kwargs.items() if value == KEY]
    if len(names) != len(keys):  # it leads nowhere, and the refusal says where not
        match, names = _match(request.path_info, urlconf), []
    if names:
        match = _with(match, dict(zip(names, keys, strict=True)))
    request.resolver_match = match
    return match.func(request, *match.args, **match.kwargs)


def _with(match: ResolverMatch, keys: dict[str, str]) -> ResolverMatch:
    """The same match, which is shared, with these keys; Django's own cannot be copied."""
    found = ResolverMatch.__new__(ResolverMatch)
    found.__dict__ = {**match.__dict__, "kwargs": {**match.kwargs, **keys}}
    return found


class GraphMiddleware:
    """Answers what lies below a version root, without what pages alone need (sessions, forms), and
    sets the headers that all these answers share."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response
        self.answer: GetResponse = convert_exception_to_response(call_view)  # type: ignore[assignment]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api_path(request.path_info):
            return self.get_response(request)
        path = wire_path(request)
        request.is_utf8 = is_utf8(path)  # type: ignore[attr-defined]
        request.path_info = canonical_path(path)
        response = self.answer(request)
        set_graph_headers(response)
        return response
