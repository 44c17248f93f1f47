"""How long somebody stays signed in: so long at most, and so long without doing anything."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase

#: Members of the session: when it began and when something was last done in it, in seconds.
BEGAN, USED = "began", "used"
#: What was done is noted no more often than this, in seconds.
NOTE_EVERY = 60


def begin(request: HttpRequest) -> None:
    """Let the time of a session that was just signed in run from now."""
    request.session[BEGAN] = request.session[USED] = int(time.time())


class SessionAgeMiddleware:
    """Ends a session that is too old, or in which nobody did anything for too long. A page that
    refreshes itself does not count as somebody."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and BEGAN in request.session:
            self._look(request)
        return self.get_response(request)

    def _look(self, request: HttpRequest) -> None:
        now = int(time.time())
        session = request.session
        is_old = now - session[BEGAN] > settings.SESSION_LIFETIME
        if is_old or now - session[USED] > settings.SESSION_IDLE:
            logout(request)
        elif now - session[USED] > NOTE_EVERY and "fragment" not in request.GET:
            session[USED] = now
