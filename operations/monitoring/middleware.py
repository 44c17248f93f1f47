"""Probes and scrapes are answered before anything else looks at a request."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from operations.middleware import GetResponse
from operations.monitoring.urls import urlpatterns


class MonitoringMiddleware:
    """The first of all, so that they work by any address and leave no trace.

    They come by the number of a pod or a machine, which no setting names, and without TLS from
    behind the proxy that ends it. A probe reveals nothing that its caller does not know; the
    metrics want a token.
    """

    views = {f"/{pattern.pattern}": pattern.callback for pattern in urlpatterns}

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = self.views.get(request.path_info)
        return view(request) if view else self.get_response(request)
