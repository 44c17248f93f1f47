"""Pages that refresh themselves: the same partial is the first paint and every refresh."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response

from operations.dashboard.filters import PAGE_SIZES

YEAR = 365 * 24 * 3600


def keep_preference(response: HttpResponseBase, name: str, value: str) -> None:
    """In a cookie, which goes the same ways as that of the session."""
    response.set_cookie(
        name,
        value,
        max_age=YEAR,
        path=settings.SESSION_COOKIE_PATH,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def data_time() -> str:
    """When the data of this answer was read, as the footer shows it."""
    return timezone.localtime().strftime("%H:%M:%S %Z")


def live_page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """``dashboard/<name>.html``, or for ``?fragment=1`` only the part of it that changes.

    ``dashboard/_<name>.html`` is that part. A fragment's ETag is made from its text, so an
    unchanged one is a 304; ages in it are coarse for that reason.
    """
    context = {**context, "live_template": f"dashboard/_{name}.html"}
    if "fragment" not in request.GET:
        response = render(request, f"dashboard/{name}.html", context)
        rows = request.GET.get("rows", "")
        if rows in map(str, PAGE_SIZES):
            keep_preference(response, "rows", rows)
        return response
    text = render_to_string("dashboard/_live.html", context, request)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    full = HttpResponse(text)
    full["ETag"] = etag
    answer = get_conditional_response(request, etag=etag, response=full) or full
    answer["Data-Time"] = data_time()
    return answer
