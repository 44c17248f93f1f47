"""What every answer tells a browser, whoever gives it: Django, or the web server before it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

CACHE = "Cache-Control"
#: For a browser, on every answer that does not say otherwise itself.
HEADERS = {
    # pages load nothing from elsewhere, run no inline script or style, and stand in no frame
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in "camera display-capture geolocation microphone payment usb".split()
    ),
    # neither a proxy nor the browser keeps what was shown; static files say how long they are good
    CACHE: "private, no-store",
}

NOT_IN_304 = [name for name in HEADERS if name != CACHE]


class BrowserHeadersMiddleware:
    """Gives every answer HEADERS. The first of all, so that the other middlewares' own answers have
    them too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return set_browser_headers(self.get_response(request))


def set_browser_headers(response: HttpResponse) -> HttpResponse:
    """Add those of HEADERS that the answer does not have.

    A 304 has no body to show, and the browser has the headers of the answer that it kept: only what
    says how that may be kept stands in both (RFC 9110, 15.4.5).
    """
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        for name in NOT_IN_304:
            response.headers.pop(name, None)
        response.headers.setdefault(CACHE, HEADERS[CACHE])
        return response
    own = {name.lower() for name in response.headers}
    for name, value in HEADERS.items():
        if name.lower() not in own:
            response.headers[name] = value
    return response
