"""A plain Django view that upserts the bytes of a request as they are. Default middleware."""

from __future__ import annotations

from benchmarks.baselines import plain  # first: it configures Django and is the application's root

application = plain.application

from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from benchmarks.baselines.upsert import UPSERT  # noqa: E402


@csrf_exempt
def put(request: HttpRequest, graph_id: str) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(UPSERT.format("%s"), [graph_id, request.body.decode()])
    return HttpResponse(b"{}", content_type="application/json")


plain.urlpatterns[:] = [path("items/<path:graph_id>", put)]
