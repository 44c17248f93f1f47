"""Pages and their files travel compressed, to a browser that takes it.

What the API answers does not: it is small, asked for often, and compressing it costs more than it
saves.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

KINDS = frozenset(
    ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml")
)
TAKES_GZIP = re.compile(r"\bgzip\b")
#: Not modified, and a part of a file, whose place in it is told.
AS_IT_IS = (206, 304)


class PageCompressionMiddleware(GZipMiddleware):
    """Django's, which also hides the length of a page from those who guess what is in it."""

    def process_request(self, request: HttpRequest) -> None:
        """Give WhiteNoise its own tag back, which is weak since the file was compressed."""
        tag = request.META.get("HTTP_IF_NONE_MATCH", "")
        if tag.startswith("W/") and request.path.startswith(str(settings.STATIC_URL)):
            request.META["HTTP_IF_NONE_MATCH"] = tag.removeprefix("W/")

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind not in KINDS or response.status_code in AS_IT_IS:
            return response
        if request.method == "HEAD" and not getattr(response, "content", b""):
            # of a file: it is not read, so nobody knows how long it would be compressed
            patch_vary_headers(response, ("Accept-Encoding",))
            if TAKES_GZIP.search(request.META.get("HTTP_ACCEPT_ENCODING", "")):
                response.headers.pop("Content-Length", None)
            return response
        return super().process_response(request, response)
