"""Bearer tokens as a DRF authentication class."""

from __future__ import annotations

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from operations import logs, tokens
from operations.access import Caller
from operations.api.paths import base_url
from operations.errors import InvalidAuthenticationToken, Lack


class BearerAuthentication(BaseAuthentication):
    """Every call needs ``Authorization: Bearer``; ``request.user`` is the Caller it shows.

    Raises InvalidAuthenticationToken with ``WWW-Authenticate`` (graph-contract 5.4).
    """

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise InvalidAuthenticationToken("Access token is empty.", Lack.TOKEN)
            caller = tokens.verify_token(text.strip())
        except InvalidAuthenticationToken as refusal:
            refusal.headers["WWW-Authenticate"] = self.authenticate_header(request)
            raise
        logs.note(application=caller.app_id)
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        authority = f"{base_url(request._request)}/{tokens.tenant_id()}"
        return (
            f'Bearer realm="", authorization_uri="{authority}/oauth2/v2.0/authorize", '
            f'client_id="{settings.TOKEN_AUDIENCE}"'
        )
