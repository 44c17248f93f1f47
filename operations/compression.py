"""Pages and their files travel compressed, to a browser that takes it.

What the API answers does not: it is small, asked for often, and compressing it costs more than it
saves.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

KINDS = frozenset(
    ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml")
)
#: Not modified, and a part of a file, whose place in it is told.
AS_IT_IS = (206, 304)


class PageCompressionMiddleware(GZipMiddleware):
    """Django's, which also hides the length of a page from those who guess what is in it."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind not in KINDS or response.status_code in AS_IT_IS or request.method == "HEAD":
            return response
        return super().process_response(request, response)
