"""Everything below a version root that is not served: refused in the envelope, after the token."""

from __future__ import annotations

from typing import NoReturn

from rest_framework.request import Request

from operations.api.paths import NAMES
from operations.api.views import GraphViewSet
from operations.errors import NotServedHere, UnknownSegment

SERVED = frozenset(NAMES.values())
#: Graph has these, and we do not serve them yet.
GRAPH_HAS = frozenset(("fullRefresh", "search"))


class UnknownPathViewSet(GraphViewSet):
    """404 for every method, after the token (Graph itself says 400 for an unknown segment)."""

    http_method_names = [*GraphViewSet.http_method_names, "options", "trace"]
    needs_role = False

    def refuse(self, request: Request, path: str) -> NoReturn:
        segments = path.split("/")
        if segments[0] == "external" and len(segments) > 1:
            del segments[0]
        names = segments[::2]  # name and key in turn
        for name in names:
            if name in GRAPH_HAS:
                raise NotServedHere(name)
            if name not in SERVED:
                raise UnknownSegment(name)
        raise UnknownSegment(segments[-1])
