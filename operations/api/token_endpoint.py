"""OAuth 2.0 client credentials in Entra's shape, its OpenID metadata and keys (graph-contract 5.2).

Errors here have OAuth's own form and not Graph's envelope: that is what sign-in libraries read.
"""

from __future__ import annotations

import base64
import binascii
import logging
from datetime import UTC, datetime
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from operations import metrics, tokens
from operations.api.paths import base_url
from operations.api.refusals import keep
from operations.errors import DatabaseUnavailable, Lack
from operations.middleware import client_address
from operations.models import Application, ApplicationSecret, FailedSignIn
from operations.outage import is_outage

log = logging.getLogger(__name__)

#: What somebody lacks who may be guessing.
GUESSES = (Lack.APPLICATION, Lack.RIGHT_SECRET, Lack.KEPT_SECRET)
#: A tenant may be named by its GUID or by one of these, as Entra's own words are.
TENANT_NAMES = ("common", "organizations", "connectors-admin")


class OAuthError(Exception):
    """``error`` is OAuth's word, ``number`` the AADSTS number that goes with it in Entra; ``lack``
    says more than the answer may."""

    def __init__(
        self,
        error: str,
        number: int,
        description: str,
        status: int = 400,
        lack: Lack = Lack.REQUEST,
        retry_after: int = 0,
    ):
        super().__init__(description)
        self.retry_after = retry_after
        self.error = error
        self.number = number
        self.status = status
        self.lack = lack


@csrf_exempt
def token(request: HttpRequest, tenant: str) -> HttpResponse:
    """A bearer token for a client id and its secret."""
    client_id = ""
    try:
        if request.method != "POST":
            raise OAuthError("invalid_request", 900561, "The endpoint only accepts POST.", 405)
        client_id, secret_text = _credentials(request)
        _check_tenant(tenant)
        application, secret = _client(request.POST, client_id, secret_text)
        text, lifetime = tokens.issue_token(application, secret)
    except OAuthError as refusal:
        if refusal.lack in GUESSES:
            refusal = _held_off(request, client_id) or refusal
        if refusal.status not in (405, 429):
            metrics.count_sign_in_failure("client")
            _keep(refusal, request, client_id)
        return _refuse(refusal, request)
    _note_use(secret, request, client_id)
    seconds = lifetime - 1
    return _uncached(
        JsonResponse(
            {
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": text,
            }
        )
    )


def _note_use(secret: ApplicationSecret, request: HttpRequest, client_id: str) -> None:
    """Keep when and from where; whoever only wants to read needs a token also while the database
    takes no writes."""
    address = client_address(request)
    try:
        FailedSignIn.objects.succeeded(client_id, address, was_counted=False)
        ApplicationSecret.objects.filter(pk=secret.pk).update(
            last_used_at=timezone.now(), last_used_address=address
        )
    except DatabaseError as error:
        if not is_outage(error):
            raise
        log.error("The use of a secret was not noted: %s", str(error).strip())


def metadata(request: HttpRequest, tenant: str) -> HttpResponse:
    """OpenID provider metadata: what sign-in libraries fetch first."""
    try:
        _check_get(request)
        _check_tenant(tenant)
    except OAuthError as refusal:
        return _refuse(refusal, request)
    authority = f"{base_url(request)}/{tenant}"
    return JsonResponse(
        {
            "issuer": tokens.issuer(),
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
        }
    )


def keys(request: HttpRequest, tenant: str) -> HttpResponse:
    """The public keys that tokens are signed with."""
    try:
        _check_get(request)
        _check_tenant(tenant)
    except OAuthError as refusal:
        return _refuse(refusal, request)
    return JsonResponse(tokens.jwks())


def refuse_bad_request(request: HttpRequest) -> HttpResponse:
    """A form that could not be read, or a Host that is not ours."""
    error = OAuthError("invalid_request", 900144, "The request could not be read as a form.")
    return _refuse(error, request)


def refuse_server_error(request: HttpRequest) -> HttpResponse:
    """Something of ours broke; the log has it under the trace id."""
    return _refuse(OAuthError("server_error", 90033, "A transient error occurred.", 500), request)


def refuse_unavailable(request: HttpRequest) -> HttpResponse:
    """The database does not answer at the moment (RFC 6749 5.2, and 4.1.2.1 for the word)."""
    said = DatabaseUnavailable()
    error = OAuthError("temporarily_unavailable", 90033, said.message, said.status)
    response = _refuse(error, request)
    response["Retry-After"] = said.headers["Retry-After"]
    return response


def _check_get(request: HttpRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        raise OAuthError("invalid_request", 900561, "The endpoint only accepts GET.", 405)


def _check_tenant(tenant: str) -> None:
    if tenant.lower() not in (tokens.tenant_id(), *TENANT_NAMES):
        raise OAuthError("invalid_request", 90002, f"Tenant '{tenant[:80]}' not found.")


def _client(
    form: QueryDict, client_id: str, secret_text: str
) -> tuple[Application, ApplicationSecret]:
    grant = form.get("grant_type")
    if not grant:
        raise OAuthError("invalid_request", 900144, "The request must contain 'grant_type'.")
    if grant != "client_credentials":
        raise OAuthError(
            "unsupported_grant_type", 70003, "The only grant type here is client_credentials."
        )
    if not form.get("scope", "").endswith("/.default"):
        raise OAuthError(
            "invalid_scope",
            1002012,
            "The value of 'scope' must be a resource with '/.default' at the end, such as "
            "api://connectors-admin/.default.",
        )
    if "client_assertion" in form:
        raise OAuthError(
            "invalid_client", 700027, "Client assertions are not supported; use client_secret.", 401
        )
    if not client_id:
        raise OAuthError("invalid_request", 900144, "The request must contain 'client_id'.")
    if not secret_text:
        raise OAuthError(
            "invalid_client", 7000218, "The request must contain 'client_secret'.", 401
        )
    application = _application(client_id)
    if application is None:
        raise OAuthError(
            "unauthorized_client",
            700016,
            f"Application with identifier '{client_id[:80]}' was not found in the directory.",
            lack=Lack.APPLICATION,
        )
    secret = application.find_secret(secret_text)
    if secret is None or secret.revoked_at is not None:
        lack = Lack.RIGHT_SECRET if secret is None else Lack.KEPT_SECRET
        raise OAuthError("invalid_client", 7000215, "Invalid client secret provided.", 401, lack)
    if secret.is_expired:
        raise OAuthError(
            "invalid_client", 7000222, "The client secret has expired.", 401, Lack.CURRENT_SECRET
        )
    if not application.enabled:
        raise OAuthError(
            "unauthorized_client",
            7000112,
            f"Application '{client_id[:80]}' is disabled.",
            lack=Lack.ENABLED,
        )
    return application, secret


def _held_off(request: HttpRequest, client_id: str) -> OAuthError | None:
    """The refusal of one who guesses too often, None while it is not.

    A right secret gets its token all the same: it cannot be guessed, and client ids are no secret,
    so that else anybody could keep a connector out.
    """
    address = client_address(request)
    name = client_id if _application(client_id) else ""
    wait = FailedSignIn.objects.attempt(client_id, address, name=name)
    if not wait:
        FailedSignIn.objects.failed(client_id, address)
        return None
    return OAuthError(
        "temporarily_unavailable",
        90055,
        f"Too many requests with a wrong client id or secret. Try again in {wait} seconds.",
        429,
        retry_after=wait,
    )


def _credentials(request: HttpRequest) -> tuple[str, str]:
    """The client id, a GUID in its one spelling, and the secret."""
    client_id, secret = _sent_credentials(request)
    return (str(UUID(client_id)) if _is_guid(client_id) else client_id), secret


def _sent_credentials(request: HttpRequest) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return "", ""
        return name, secret
    return request.POST.get("client_id", ""), request.POST.get("client_secret", "")


def _is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _application(client_id: str) -> Application | None:
    if not _is_guid(client_id):
        return None
    return Application.objects.filter(app_id=UUID(client_id)).first()


def _keep(refusal: OAuthError, request: HttpRequest, client_id: str) -> None:
    said = str(refusal)
    if client_id and not _is_guid(client_id):
        # whoever mixes the two up sends the secret in the place of the id
        said = said.replace(client_id[:80], "…")
    keep(
        request,
        status=refusal.status,
        code=refusal.error,
        message=f"AADSTS{refusal.number}: {said}",
        lack=refusal.lack,
        app_id=client_id,
    )


def _refuse(refusal: OAuthError, request: HttpRequest) -> HttpResponse:
    request_id = getattr(request, "request_id", "")
    correlation_id = getattr(request, "client_request_id", "")
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    response = JsonResponse(
        {
            "error": refusal.error,
            "error_description": (
                f"AADSTS{refusal.number}: {refusal} Trace ID: {request_id} "
                f"Correlation ID: {correlation_id} Timestamp: {now}"
            ),
            "error_codes": [refusal.number],
            "timestamp": now,
            "trace_id": request_id,
            "correlation_id": correlation_id,
        },
        status=refusal.status,
    )
    if refusal.status == 401:
        response["WWW-Authenticate"] = 'Basic realm="connectors-admin"'
    if refusal.retry_after:
        response["Retry-After"] = str(refusal.retry_after)
    if refusal.status == 405:
        response["Allow"] = "POST" if "POST" in str(refusal) else "GET"
    return _uncached(response)


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response
