"""Tokens that must not let anybody in, each wrong in one way only. Everything else is right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone

from operations import tokens
from operations.models import Application, SigningKey
from tests.factories import COMMAND, make_application


def good_token(application: Application) -> str:
    return tokens.issue_token(application)[0]


def altered(application: Application, **claims: Any) -> str:
    """A token of ours that says something else. A claim of None is left out."""
    text = good_token(application)
    header = jwt.get_unverified_header(text)
    content = jwt.decode(text, options={"verify_signature": False}) | claims
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, _our_key(header["kid"]), "RS256", headers={"kid": header["kid"]})


def by_hand(application: Application, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """A token of ours with another signature."""
    head, content, _ = good_token(application).split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "==")) | {"alg": algorithm}
    signed = f"{_base64url(json.dumps(header).encode())}.{content}"
    return f"{signed}.{_base64url(sign(signed.encode()))}"


def bad_authorizations(
    application: Application, roles: list[str], foreign: rsa.RSAPrivateKey
) -> dict[str, str | None]:
    """Authorization headers by the names that docs/permissions.md has for them.

    ``application`` could do everything with a good one. None: no header.
    """
    now = int(time.time())
    kid = jwt.get_unverified_header(good_token(application))["kid"]
    public = _our_key(kid).public_key()
    public_pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    content = jwt.decode(good_token(application), options={"verify_signature": False})
    named = {
        "no form of a token": "something",
        "expired": altered(application, exp=now - 1),
        "without an end": altered(application, exp=None),
        "not yet valid": altered(application, nbf=now + 600),
        "wrong audience": altered(application, aud="api://another"),
        "Graph's audience": altered(application, aud="https://graph.microsoft.com"),
        "wrong issuer": altered(application, iss="https://elsewhere.example/t/v2.0"),
        "no application": altered(application, azp=None),
        "alg none": by_hand(application, "none", lambda signed: b""),
        "HS256 with the public key": by_hand(
            application, "HS256", lambda signed: hmac.digest(public_pem, signed, hashlib.sha256)
        ),
        "no signature": good_token(application).rpartition(".")[0] + ".",
        "foreign key": jwt.encode(content, foreign, "RS256", headers={"kid": "foreign"}),
        "our kid with another key": jwt.encode(content, foreign, "RS256", headers={"kid": kid}),
        "retired key": _by_a_retired_key(content, foreign),
        "disabled application": _disabled(roles),
        "deleted application": _deleted(roles),
        "revoked secret": _of_a_secret(application, revoked=True),
        "expired secret": _of_a_secret(application, revoked=False),
    }
    headers = {name: f"Bearer {text}" for name, text in named.items()}
    return {"no token": None, "another scheme": f"Basic {good_token(application)}", **headers}


def _by_a_retired_key(content: dict[str, Any], key: rsa.RSAPrivateKey) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    long_ago = timezone.now() - timedelta(days=30)
    kid = tokens.key_id(pem)
    SigningKey.objects.create(kid=kid, private_pem=pem, created_at=long_ago, retired_at=long_ago)
    tokens.forget_keys()
    return jwt.encode(content, key, "RS256", headers={"kid": kid})


def _disabled(roles: list[str]) -> str:
    application = make_application(*roles)
    text = good_token(application)
    application.revise(COMMAND, enabled=False)
    return text


def _deleted(roles: list[str]) -> str:
    application = make_application(*roles)
    text = good_token(application)
    application.delete()
    return text


def _of_a_secret(application: Application, *, revoked: bool) -> str:
    application.create_secret(COMMAND)
    secret = application.secrets.order_by("-pk")[0]
    text = tokens.issue_token(application, secret)[0]
    if revoked:
        secret.revoke(COMMAND)
    else:
        secret.expires_at = timezone.now() - timedelta(seconds=1)
        secret.save()
    return text


def _our_key(kid: str) -> rsa.RSAPrivateKey:
    pem = SigningKey.objects.get(kid=kid).private_pem
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
