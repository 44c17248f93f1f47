"""``/openapi.json`` and the page that shows it. Neither needs a token: they say what there is."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from operations.api.openapi.document import default_scope, document
from operations.api.paths import base_url


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    return JsonResponse(document(base_url(request)))


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Swagger UI, from the files of an installed package; nothing comes from elsewhere."""
    return render(request, "api/docs.html", {"scope": default_scope()})
