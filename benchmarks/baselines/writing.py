"""Plain Django views that write: an operation, its move, and the Change of either, each in one
transaction. Who the caller is, what the rules say and what else hangs on it: nobody asks."""

from __future__ import annotations

import json
import uuid

from benchmarks.baselines import plain  # first: it configures Django and is the application's root

application = plain.application

from django.db import transaction  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from benchmarks.baselines.models import Change, WholeOperation  # noqa: E402
from benchmarks.baselines.shape import COMPLETED, INPROGRESS, STATUSES, shape  # noqa: E402


@csrf_exempt
def create(request: HttpRequest, connection: int) -> JsonResponse:
    status = STATUSES.index(json.loads(request.body)["status"])
    with transaction.atomic():
        row = WholeOperation.objects.create(
            connection_id=connection,
            graph_id=str(uuid.uuid4()),
            status=status,
            started_at=timezone.now(),
        )
        _record(row, "operation.reported", None)
    return JsonResponse(shape(row), status=201)


@csrf_exempt
def update(request: HttpRequest, connection: int, graph_id: str) -> JsonResponse:
    with transaction.atomic():
        row = WholeOperation.objects.get(connection_id=connection, graph_id=graph_id)
        before = shape(row)
        row.status = STATUSES.index(json.loads(request.body)["status"])
        assert before["status"] == STATUSES[INPROGRESS] and row.status == COMPLETED
        row.finished_at = timezone.now()
        row.save()
        _record(row, "operation.completed", before)
    return JsonResponse(shape(row))


def _record(row: WholeOperation, action: str, before: dict | None) -> None:
    Change.objects.create(
        action=action,
        connection_key=row.connection_id,
        operation_key=row.pk,
        operation_graph_id=row.graph_id,
        request_id=str(uuid.uuid4()),
        before=before,
        after=shape(row),
    )


plain.urlpatterns[:] = [
    path("connections/<int:connection>/operations", create),
    path("connections/<int:connection>/operations/<str:graph_id>", update),
]
