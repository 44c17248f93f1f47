"""Keeps what was not let in, so that a page can say why (``models.refusal``).

Callers may be many, wrong and hostile: what is kept is bounded in size and number, and a refusal
that cannot be kept is answered all the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from operations import bearer
from operations.errors import GraphError, Lack
from operations.masking import mask
from operations.models import Refusal

#: Refusals that one process keeps in a second; the log has a line for each.
MOST_A_SECOND = 20
TEXT = 200
ROLES = 20

log = logging.getLogger(__name__)


class Allowance:
    """So many a second, and no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._taken = 0

    def take(self) -> bool:
        second = int(time.monotonic())
        with self._lock:
            if second != self._second:
                self._second, self._taken = second, 0
            self._taken += 1
            return self._taken <= MOST_A_SECOND


_allowance = Allowance()


def keep_refusal(error: GraphError, request: HttpRequest) -> None:
    """Keep a 401 or 403 of the Graph surface."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    claims = bearer.told(token.strip()) if scheme.lower() == "bearer" else {}
    keep(
        request,
        status=error.status,
        code=error.code,
        message=error.message,
        lack=error.lack or Lack.ROLE,
        app_id=claims.get("azp") or claims.get("appid"),
        needed=error.needed,
        held=error.held,
        facts=_facts(claims),
    )


def keep(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    message: str,
    lack: Lack,
    app_id: Any,
    needed: Iterable[str] = (),
    held: Iterable[str] = (),
    facts: dict[str, Any] | None = None,
) -> None:
    """Keep one refusal, unless there were too many in this second. Never raises."""
    if not _allowance.take():
        return
    try:
        with transaction.atomic():
            Refusal.objects.create(
                request_id=getattr(request, "request_id", ""),
                client_request_id=getattr(request, "own_client_request_id", ""),
                method=_plain(request.method or "")[:10],
                path=_plain(request.path_info, 300),
                status=status,
                code=code,
                message=_plain(message, 2000),
                lack=lack,
                app_id=_guid(app_id),
                needed=_texts(needed),
                held=_texts(held),
                facts=facts or {},
            )
    except Exception:  # the caller is to hear why it was refused, not that this went wrong
        log.exception("A refusal was not kept.")


def _facts(claims: dict[str, Any]) -> dict[str, Any]:
    """What a token says of itself that helps to see what is wrong with it."""
    roles = claims.get("roles") or str(claims.get("scp") or "").split()
    facts = {
        "issuer": _plain(claims.get("iss") or ""),
        "audience": ", ".join(_texts(_several(claims.get("aud")))),
        "expires": _moment(claims.get("exp")),
        "roles": _texts(_several(roles)),
        "secretId": _plain(claims.get("secret_id") or ""),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _texts(values: Iterable[Any]) -> list[str]:
    return [_plain(value) for value in list(values)[:ROLES]]


def _plain(value: Any, length: int = TEXT) -> str:
    """As text that both databases can hold, without secrets."""
    text = mask(str(value))[:length].replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode()


def _moment(seconds: Any) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _guid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        return None
