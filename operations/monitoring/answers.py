"""Answers for machines: text, never kept by anybody on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps

from django.http import HttpRequest, HttpResponse

View = Callable[[HttpRequest], HttpResponse]


def answer(
    text: str | bytes,
    status: int = 200,
    *,
    content_type: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] = {},
) -> HttpResponse:
    body = text.encode() if isinstance(text, str) else text
    fixed = {
        "Cache-Control": "no-store",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
    }
    response = HttpResponse(
        body, status=status, content_type=content_type, headers=fixed | {**headers}
    )
    # Django would log each 503 of a probe as an error
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def reads(view: View) -> View:
    """A view that is for GET and HEAD only."""

    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return answer("Only GET and HEAD.\n", 405, headers={"Allow": "GET, HEAD"})
        return view(request)

    return checked
