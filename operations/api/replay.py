"""Answering the same POST twice with one effect: see ``operations.models.replay``."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from operations.access import Caller
from operations.api.representation import Json
from operations.models import (
    ConnectionOperation,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    GroupMember,
    Replay,
)
from operations.models.inserting import insert_values
from operations.models.item_row import ItemRow
from operations.models.replay import RequestKey

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
#: A longer body is not kept, if what was made can be shown again.
LONGEST = 64 * 1024
#: Belongs to what is shown, where that is not what was shown first.
OF_THE_BODY = ("Content-Type", "ETag")

Made = (
    ExternalConnection | ConnectionOperation | ExternalItem | ItemRow | ExternalGroup | GroupMember
)


def once(
    request: HttpRequest,
    caller: Caller,
    body: Json,
    make: Callable[[], tuple[HttpResponse, Made]],
    show: Callable[[int], HttpResponse] | None = None,
) -> HttpResponse:
    """What ``make`` answers, or what it answered when this request came the first time.

    ``make`` returns the answer and what it made. ``show`` shows what has this key as it is now, in
    the place of an answer that is too long to be kept. Effect and kept answer are one transaction,
    so a request that broke half-way is not taken for one that was answered. A refusal is not kept:
    it had no effect.
    """
    key = RequestKey(
        caller.app_id,
        _fingerprint(request, body),
        request.own_client_request_id,  # type: ignore[attr-defined]
        retries="HTTP_RETRY_ATTEMPT" in request.META,
    )
    with transaction.atomic():
        if kept := Replay.objects.earlier(key):
            log.info("Answered again as at %s.", kept.created_at.isoformat())
            return _again(kept, show)
        response, made = make()
        is_kept = show is None or len(response.content) <= LONGEST
        insert_values(
            Replay,
            app_id=key.app_id,
            client_request_id=key.client_request_id,
            fingerprint=key.fingerprint,
            **Replay.about(made),
            status=response.status_code,
            headers={name: response[name] for name in KEPT_HEADERS if name in response},
            body=response.content.decode() if is_kept else "",
        )
        return response


def _again(kept: Replay, show: Callable[[int], HttpResponse] | None) -> HttpResponse:
    if show and kept.lacks_body and kept.content_key is not None:
        response = show(kept.content_key)
        response.status_code = kept.status
        for name, value in kept.headers.items():
            if name not in OF_THE_BODY:
                response[name] = value
    else:
        response = HttpResponse(kept.body, status=kept.status, headers=kept.headers)
        if "Content-Type" not in kept.headers:
            del response["Content-Type"]
    response["Idempotent-Replayed"] = "true"  # or nobody would notice an id that never changes
    return response


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
