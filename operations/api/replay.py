"""Answering the same POST twice with one effect: see ``operations.models.replay``."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from operations.access import Caller
from operations.api.representation import Json
from operations.errors import GraphError
from operations.models import Replay

log = logging.getLogger(__name__)

#: What of the first answer is kept; the rest (request ids, date) belongs to each answer anew.
KEPT_HEADERS = (
    "Content-Type",
    "ETag",
    "Location",
    "OData-EntityId",
    "Preference-Applied",
    "Retry-After",
)


def once(
    request: HttpRequest, caller: Caller, body: Json, make: Callable[[], HttpResponse]
) -> HttpResponse:
    """What ``make`` answers, or what it answered when this request came the first time.

    The effect and the kept answer are one transaction, so a request that broke half-way is not
    taken for one that was answered. A refusal is not kept: it had no effect.
    """
    client_request_id = _own_id(request)
    fingerprint = _fingerprint(request, body)

    def earlier() -> HttpResponse | None:
        found = Replay.objects.earlier(
            caller.app_id,
            fingerprint,
            client_request_id,
            retries="HTTP_RETRY_ATTEMPT" in request.META,
        )
        if found is None:
            return None
        log.info("Answered again as at %s.", found.created_at.isoformat())
        response = HttpResponse(found.body, status=found.status, headers=found.headers)
        if "Content-Type" not in found.headers:
            del response["Content-Type"]
        return response

    if answer := earlier():
        return answer
    try:
        with transaction.atomic():
            response = make()
            Replay.objects.create(
                app_id=caller.app_id,
                client_request_id=client_request_id,
                fingerprint=fingerprint,
                status=response.status_code,
                headers={name: response[name] for name in KEPT_HEADERS if name in response},
                body=response.content.decode(),
            )
            return response
    except (GraphError, IntegrityError):
        # a twin that ran at the same time may have won: its answer is this one's too
        if answer := earlier():
            return answer
        raise


def _own_id(request: HttpRequest) -> str:
    """The ``client-request-id`` that the caller sent, not the one that we gave it."""
    own: str = request.client_request_id  # type: ignore[attr-defined]
    return "" if own == request.request_id else own  # type: ignore[attr-defined]


def _fingerprint(request: HttpRequest, body: Json) -> str:
    """The same for the same request: method, address, content, and which part of a batch."""
    parts = [
        request.method,
        request.path_info,
        request.META.get("QUERY_STRING", ""),
        getattr(request, "batch_part", ""),
        body,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
