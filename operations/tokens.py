"""Bearer tokens: signing keys, minting and verifying.

RS256 JWTs in the shape of Entra's v2 app-only tokens (graph-contract 5.1), but with an issuer and
an audience of our own: a token minted for graph.microsoft.com is never accepted here. What is true
of every token is in ``bearer``, the tokens of another issuer are in ``foreign_tokens``.
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, OuterRef, Subquery, Value
from django.utils import timezone

from operations import bearer, caller_cache, foreign_tokens
from operations.access import Caller
from operations.bearer import ALGORITHM
from operations.errors import (
    ApplicationNotRegistered,
    DelegatedUseNotApplicable,
    InvalidAuthenticationToken,
    Lack,
)
from operations.models import (
    Action,
    Actor,
    Application,
    ApplicationSecret,
    Change,
    Installation,
    SigningKey,
)

#: Signing keys are looked up again after this many seconds, so a rotated one is noticed; for a
#: token with a key that is not known already after this many.
KEY_CACHE_SECONDS = 5.0
UNKNOWN_KEY_SECONDS = 1.0
#: What a clock may be wrong by, so long is a key good behind the end of its last token.
CLOCK_LEEWAY = timedelta(minutes=1)

# Parsing a PEM costs a hundred times what a signature costs, so the parsed keys are kept.
_parsed: dict[str, rsa.RSAPrivateKey] = {}


class _Keys(NamedTuple):
    """When they were read, the ids of those that verify, and of the one that signs."""

    read_at: float = 0.0
    verifying: tuple[str, ...] = ()
    signing: str = ""


_keys = _Keys()


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
        "app_displayname": application.name,
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
    """The caller that a token shows: one of ours, or of the foreign issuer where there is one.

    Raises InvalidAuthenticationToken for anything else, for a disabled application and a revoked
    secret; ApplicationNotRegistered for an application that only the foreign issuer knows;
    IssuerUnreachable; DelegatedUseNotApplicable for a token with ``scp``. What was accepted is for
    ``caller_cache.SECONDS``.
    """
    caller = caller_cache.find(text)
    if caller is None:
        since = caller_cache.generation()
        caller, expires, at = _verified(text)
        caller_cache.keep(text, caller, expires=expires, at=at, since=since)
    return caller


def _verified(text: str) -> tuple[Caller, float, float]:
    """The caller, when the token runs out, and when what proves it was read."""
    kid = bearer.key_id_of(text)
    at = time.monotonic()
    if _is_ours(kid):
        at = min(at, _keys.read_at)
        claims = _our_claims(text, kid)
        application = _application_of(claims)
        if application is None:
            raise InvalidAuthenticationToken(
                f"{bearer.FAILURE} Unknown application.", Lack.APPLICATION
            )
    else:
        claims = foreign_tokens.verified_claims(text, kid)
        application = _foreign_application(claims)
    if not application.enabled:
        raise InvalidAuthenticationToken(f"{bearer.FAILURE} Application disabled.", Lack.ENABLED)
    granted = claims.get("roles")
    if claims.get("scp"):  # on behalf of a person; the roles are then that person's
        if not settings.TOKEN_DELEGATED_USE:
            raise DelegatedUseNotApplicable
        granted = str(claims["scp"]).split()
    roles = [role for role in application.roles if isinstance(granted, list) and role in granted]
    caller = Caller(application.app_id, application.name, frozenset(roles))
    return caller, float(claims["exp"]), at


def jwks() -> dict[str, Any]:
    """The public halves of the keys that verify (RFC 7517)."""
    keys = []
    for kid in _current_keys().verifying:
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
    """Look at the table again, and at every token: after a rotation, and between tests."""
    _look_at_keys_again()
    caller_cache.forget()


def _look_at_keys_again() -> None:
    global _keys
    _keys = _Keys()


def rotate_signing_key(
    actor: Actor, *, at_once: bool = False, if_older_than: timedelta | None = None
) -> tuple[str, datetime] | None:
    """Make a key that signs from now on. Returns its id and until when the earlier ones verify.

    That is until the last token that they signed has run out; ``at_once``, for a key that somebody
    else may have, it is now. A key signs when every process has had the time to read it, unless
    there is no other. None, and nothing changes, when the newest is younger than
    ``if_older_than``.
    """
    if if_older_than and _signs_since(if_older_than):
        return None
    pem = new_private_pem()
    with transaction.atomic():
        Installation.current()
        Installation.objects.select_for_update().get()  # of two that rotate, one comes second
        now = timezone.now()
        if if_older_than and _signs_since(if_older_than):
            return None
        earlier = SigningKey.objects.verifying(now).filter(retired_at=None)
        lifetime = timedelta(seconds=settings.TOKEN_LIFETIME + 2 * KEY_CACHE_SECONDS)
        until = now if at_once else now + lifetime + CLOCK_LEEWAY
        retired = list(earlier.values_list("kid", flat=True))
        SigningKey.objects.filter(kid__in=retired).update(retired_at=until)
        if at_once:
            SigningKey.objects.verifying(now).update(retired_at=now)
        key = SigningKey.objects.create(kid=key_id(pem), private_pem=pem, created_at=now)
        Change.record(
            actor,
            Action.SIGNING_KEY_ROTATED,
            subject=f"Signing key {key.kid}",
            before={"keys": retired},
            after={"key": key.kid, "earlierKeysUntil": until.isoformat()},
        )
    forget_keys()
    return key.kid, until


def _signs_since(age: timedelta) -> bool:
    """Whether a key was made within this time."""
    return SigningKey.objects.filter(created_at__gt=timezone.now() - age, retired_at=None).exists()


def _our_claims(text: str, kid: str) -> dict[str, Any]:
    claims = bearer.verified_claims(
        text,
        _parsed[kid].public_key(),
        audience=settings.TOKEN_AUDIENCE,
        require=("exp", "aud", "iss", "azp"),
    )
    if not _is_our_issuer(claims["iss"]):
        raise InvalidAuthenticationToken(bearer.FAILURE, Lack.ISSUER)
    return claims


def _is_our_issuer(claim: str) -> bool:
    """Whether ``iss`` is ours. Without a setting any address will do that our tenant id follows:
    the signature is what proves a token ours, and ``serve`` may have moved to another port since.
    """
    if settings.TOKEN_ISSUER:
        return claim == issuer()
    return claim.endswith(f"/{tenant_id()}/v2.0")


def _application_of(claims: dict[str, Any]) -> Application | None:
    """The application behind claims of ours, as it is now. Its secret must still be usable, and the
    claims end with it."""
    usable: Value | Exists = Value(True)
    ends: Value | Subquery = Value(None, output_field=DateTimeField())
    if "secret_id" in claims:
        secret = ApplicationSecret.objects.usable(timezone.now()).filter(
            application=OuterRef("pk"), key_id=_guid(claims["secret_id"])
        )
        usable, ends = Exists(secret), Subquery(secret.values("expires_at"))
    applications = Application.objects.filter(app_id=_guid(claims["azp"]))
    application = applications.annotate(secret_usable=usable, secret_ends=ends).first()
    if application and application.enabled and not application.secret_usable:
        raise InvalidAuthenticationToken(f"{bearer.FAILURE} Secret revoked.", Lack.SECRET)
    if application and application.secret_ends:
        claims["exp"] = min(int(claims["exp"]), application.secret_ends.timestamp())
    return application


def _foreign_application(claims: dict[str, Any]) -> Application:
    """The application that was registered here under its app id at the foreign issuer."""
    try:
        app_id = uuid.UUID(claims["azp"])
    except (ValueError, TypeError, AttributeError):
        raise ApplicationNotRegistered(str(claims["azp"])[:80]) from None
    application = Application.objects.filter(app_id=app_id).first()
    if application is None:
        raise ApplicationNotRegistered(str(app_id))
    return application


def _guid(claim: Any) -> uuid.UUID:
    try:
        return uuid.UUID(claim)
    except (ValueError, TypeError, AttributeError):
        raise InvalidAuthenticationToken(bearer.FAILURE) from None


def _signing_key() -> tuple[str, rsa.RSAPrivateKey]:
    kid = _current_keys().signing
    if not kid:
        pem = new_private_pem()
        SigningKey.objects.create(kid=key_id(pem), private_pem=pem)
        forget_keys()
        kid = _current_keys().signing
    return kid, _parsed[kid]


def new_private_pem() -> str:
    """A new RSA key of 2,048 bits, unencrypted: it is sealed where it is kept."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_id(pem: str) -> str:
    """The ``kid`` of a key: the same key has the same one wherever it is kept."""
    return hashlib.sha256(pem.encode()).hexdigest()[:32]


def _is_ours(kid: str) -> bool:
    """Whether a key verifies; looked up once more when it was made after the last look."""
    if kid in _current_keys().verifying:
        return True
    if time.monotonic() - _keys.read_at > UNKNOWN_KEY_SECONDS:
        _look_at_keys_again()
    return kid in _current_keys().verifying


def _current_keys() -> _Keys:
    """The keys that count, the newest first, from the cache if it is young enough."""
    global _keys
    if not _keys.verifying or time.monotonic() - _keys.read_at > KEY_CACHE_SECONDS:
        now = timezone.now()
        rows = [row for row in SigningKey.objects.verifying(now) if row.private_pem]
        for row in rows:
            if row.kid not in _parsed:
                key = serialization.load_pem_private_key(row.private_pem.encode(), password=None)
                assert isinstance(key, rsa.RSAPrivateKey)
                _parsed[row.kid] = key
        known_to_all = now - timedelta(seconds=KEY_CACHE_SECONDS)
        signing = [row.kid for row in rows if row.created_at <= known_to_all] or [
            row.kid for row in rows if row.retired_at is None
        ]
        kids = tuple(row.kid for row in rows)
        _keys = _Keys(time.monotonic(), kids, signing[0] if signing else "")
    return _keys


def _base64url(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
