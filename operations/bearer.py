"""What is checked in any bearer token, whoever signed it (RFC 7519, RFC 8725)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings

from operations.errors import InvalidAuthenticationToken, Lack

#: The only algorithm: neither ``none`` nor a shared secret made of a public key gets through.
ALGORITHM = "RS256"
FAILURE = "Access token validation failure."
#: What a token lacks whose refusal says no more than FAILURE.
LACKS: dict[type[Exception], Lack] = {
    jwt.InvalidSignatureError: Lack.SIGNATURE,
    jwt.ImmatureSignatureError: Lack.START,
    jwt.InvalidIssuerError: Lack.ISSUER,
}
#: Microsoft Graph itself, in its clouds. Whoever accepted its tokens would act on what was given
#: to somebody else for another purpose (graph-contract 5.1).
GRAPH_AUDIENCES = frozenset(
    "00000003-0000-0000-c000-000000000000 https://graph.microsoft.com https://graph.microsoft.us "
    "https://dod-graph.microsoft.us https://microsoftgraph.chinacloudapi.cn".split()
)


def key_id_of(text: str) -> str:
    """The ``kid`` of a token's header, empty when it has none. Believe nothing else of it.

    Raises InvalidAuthenticationToken when the text is no token.
    """
    if not text:
        raise InvalidAuthenticationToken("Access token is empty.", Lack.TOKEN)
    try:
        return jwt.get_unverified_header(text).get("kid") or ""
    except jwt.InvalidTokenError:
        raise InvalidAuthenticationToken(
            "CompactToken parsing failed with error code: 80049217", Lack.FORM
        ) from None


def told(text: str) -> dict[str, Any]:
    """What a token says of itself, true or not; nothing when it cannot be read."""
    try:
        return jwt.decode(text, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}


def unverified_claims(text: str) -> dict[str, Any]:
    """What a token says before anybody looked at its signature: to choose whom to ask about it.

    Raises InvalidAuthenticationToken, also when it says that it is for Graph itself.
    """
    claims = told(text)
    if not claims:
        raise InvalidAuthenticationToken(FAILURE)
    refuse_graph_audience(claims.get("aud"))
    return claims


def verified_claims(
    text: str,
    key: RSAPublicKey,
    *,
    audience: str | Sequence[str],
    require: Sequence[str],
    issuer: str | None = None,
    leeway: float = 0,
) -> dict[str, Any]:
    """The claims of a token that this key signed, that is for us, from ``issuer``, and in time.

    Raises InvalidAuthenticationToken.
    """
    try:
        claims = jwt.decode(
            text,
            key,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options={"require": list(require)},
        )
    except jwt.ExpiredSignatureError:
        _fail("Lifetime validation failed, the token is expired.", Lack.LIFETIME)
    except jwt.InvalidAudienceError:
        unverified_claims(text)
        _fail(f"{FAILURE} Invalid audience.", Lack.AUDIENCE)
    except jwt.InvalidTokenError as error:
        _fail(FAILURE, LACKS.get(type(error), Lack.CLAIMS))
    refuse_graph_audience(claims["aud"])
    return claims


def is_graph_audience(audience: Any) -> bool:
    """Whether an ``aud``, one or a list, names Microsoft Graph itself."""
    names = audience if isinstance(audience, list) else [audience]
    return any(str(name).rstrip("/").lower() in GRAPH_AUDIENCES for name in names)


def refuse_graph_audience(audience: Any) -> None:
    """Raise InvalidAuthenticationToken for Graph's own tokens, whatever the settings say."""
    if is_graph_audience(audience):
        ours = ", ".join([settings.TOKEN_AUDIENCE, *settings.FOREIGN_AUDIENCE])
        _fail(
            f"{FAILURE} Invalid audience. The token was issued for Microsoft Graph itself and must "
            f"not be used elsewhere. Ask for a token for: {ours}.",
            Lack.OTHER_AUDIENCE,
        )


def _fail(message: str, lack: Lack) -> NoReturn:
    raise InvalidAuthenticationToken(message, lack) from None
