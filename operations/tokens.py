"""Bearer tokens: signing keys, minting and verifying.

RS256 JWTs in the shape of Entra's v2 app-only tokens (graph-contract 5.1), but with an issuer and
an audience of our own: a token minted for graph.microsoft.com is never accepted here.
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Value
from django.utils import timezone

from operations.access import Caller
from operations.errors import DelegatedUseNotApplicable, InvalidAuthenticationToken
from operations.models import Application, ApplicationSecret, Installation, SigningKey

ALGORITHM = "RS256"
#: Signing keys are looked up again after this many seconds, so a rotated one is noticed.
KEY_CACHE_SECONDS = 5.0

# Parsing a PEM costs a hundred times what a signature costs, so the parsed keys are kept.
_parsed: dict[str, rsa.RSAPrivateKey] = {}
_keys: tuple[float, list[str]] = (0.0, [])


def tenant_id() -> str:
    return str(Installation.current().tenant_id)


def issuer() -> str:
    """The ``iss`` of our tokens and of our OpenID metadata; never from a Host header.

    From the settings; where they are silent, the address at which ``serve`` was last started, for
    sign-in libraries want it to be on the host that they asked.
    """
    installation = Installation.current()
    return f"{settings.TOKEN_ISSUER or installation.address}/{installation.tenant_id}/v2.0"


def issue_token(
    application: Application, secret: ApplicationSecret | None = None, lifetime: int | None = None
) -> tuple[str, int]:
    """A token for an application and how many seconds it is good for.

    It carries the id of the secret it was got with, so that revoking the secret ends the token.
    """
    now = int(time.time())
    lifetime = lifetime or settings.TOKEN_LIFETIME
    kid, key = _signing_key()
    claims = {
        "aud": settings.TOKEN_AUDIENCE,
        "iss": issuer(),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "ver": "2.0",
        "tid": tenant_id(),
        "azp": str(application.app_id),
        "appid": str(application.app_id),
        "azpacr": "1",
        "idtyp": "app",
        "sub": str(application.app_id),
        "oid": str(application.app_id),
        "roles": application.roles,
        "uti": uuid.uuid4().hex,
        **({"secret_id": str(secret.key_id)} if secret else {}),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid}), lifetime


def verify_token(text: str) -> Caller:
    """The caller that a token shows.

    Raises InvalidAuthenticationToken for anything that is not a living token of ours, for a
    disabled application and a revoked secret; DelegatedUseNotApplicable for a token with ``scp``
    and no roles.
    """
    claims = _verified_claims(text)
    application = _living_application(claims)
    granted = claims.get("roles") or []
    if not granted and claims.get("scp"):
        if not settings.TOKEN_DELEGATED_USE:
            raise DelegatedUseNotApplicable
        granted = str(claims["scp"]).split()
    return Caller(
        application.app_id, application.name, frozenset(granted).intersection(application.roles)
    )


def jwks() -> dict[str, Any]:
    """The public halves of the keys that verify (RFC 7517)."""
    keys = []
    for kid in _active_kids():
        numbers = _parsed[kid].public_key().public_numbers()
        keys.append(
            {
                "kty": "RSA",
                "use": "sig",
                "alg": ALGORITHM,
                "kid": kid,
                "n": _base64url(numbers.n),
                "e": _base64url(numbers.e),
            }
        )
    return {"keys": keys}


def forget_keys() -> None:
    """Look at the table again: after a rotation, and between tests."""
    global _keys
    _keys = (0.0, [])


def _verified_claims(text: str) -> dict[str, Any]:
    if not text:
        raise InvalidAuthenticationToken("Access token is empty.")
    try:
        kid = jwt.get_unverified_header(text).get("kid")
    except jwt.InvalidTokenError:
        raise InvalidAuthenticationToken(
            "CompactToken parsing failed with error code: 80049217"
        ) from None
    if kid not in _active_kids():
        raise InvalidAuthenticationToken("Access token validation failure.")
    try:
        claims = jwt.decode(
            text,
            _parsed[kid].public_key(),
            algorithms=[ALGORITHM],
            audience=settings.TOKEN_AUDIENCE,
            options={"require": ["exp", "aud", "iss", "azp"]},
        )
        if not _is_our_issuer(claims["iss"]):
            raise jwt.InvalidIssuerError
        return claims
    except jwt.ExpiredSignatureError:
        message = "Lifetime validation failed, the token is expired."
    except jwt.InvalidAudienceError:
        message = "Access token validation failure. Invalid audience."
    except jwt.InvalidTokenError:
        message = "Access token validation failure."
    raise InvalidAuthenticationToken(message)


def _is_our_issuer(claim: str) -> bool:
    """Whether ``iss`` is ours. Without a setting any address will do that our tenant id follows:
    the signature is what proves a token ours, and ``serve`` may have moved to another port since.
    """
    if settings.TOKEN_ISSUER:
        return claim == issuer()
    return claim.endswith(f"/{tenant_id()}/v2.0")


def _living_application(claims: dict[str, Any]) -> Application:
    """The application behind verified claims, with its state as it is now."""
    app_id = _guid(claims["azp"])
    usable: Value | Exists = Value(True)
    if "secret_id" in claims:
        usable = Exists(
            ApplicationSecret.objects.filter(
                Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
                application=OuterRef("pk"),
                key_id=_guid(claims["secret_id"]),
                revoked_at=None,
            )
        )
    application = Application.objects.filter(app_id=app_id).annotate(secret_usable=usable).first()
    if application is None:
        raise InvalidAuthenticationToken("Access token validation failure. Unknown application.")
    if not application.enabled:
        raise InvalidAuthenticationToken("Access token validation failure. Application disabled.")
    if not application.secret_usable:
        raise InvalidAuthenticationToken("Access token validation failure. Secret revoked.")
    return application


def _guid(claim: Any) -> uuid.UUID:
    try:
        return uuid.UUID(claim)
    except (ValueError, TypeError, AttributeError):
        raise InvalidAuthenticationToken("Access token validation failure.") from None


def _signing_key() -> tuple[str, rsa.RSAPrivateKey]:
    kids = _active_kids()
    if not kids:
        pem = new_private_pem()
        SigningKey.objects.create(kid=key_id(pem), private_pem=pem)
        forget_keys()
        kids = _active_kids()
    return kids[0], _parsed[kids[0]]


def new_private_pem() -> str:
    """A new RSA key of 2,048 bits, unencrypted: the database is what keeps it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_id(pem: str) -> str:
    """The ``kid`` of a key: the same key has the same one wherever it is kept."""
    return hashlib.sha256(pem.encode()).hexdigest()[:32]


def _active_kids() -> list[str]:
    """Ids of the keys that verify, the newest first. Fills the cache of parsed keys."""
    global _keys
    fetched, kids = _keys
    if not kids or time.monotonic() - fetched > KEY_CACHE_SECONDS:
        rows = SigningKey.objects.filter(retired_at=None).order_by("-created_at", "kid")
        kids = []
        for row in rows:
            if row.kid not in _parsed:
                key = serialization.load_pem_private_key(row.private_pem.encode(), password=None)
                assert isinstance(key, rsa.RSAPrivateKey)
                _parsed[row.kid] = key
            kids.append(row.kid)
        _keys = (time.monotonic(), kids)
    return kids


def _base64url(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
