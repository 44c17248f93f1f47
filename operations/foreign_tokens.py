"""Tokens of a real issuer, such as Entra or Keycloak: its keys, and what its tokens must say.

The issuer is named by three settings: ``FOREIGN_ISSUER``, ``FOREIGN_AUDIENCE``,
``FOREIGN_JWKS_URL``. Nothing in a token ever says where its key is.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from jwt import PyJWKClient, PyJWKSet

from operations import bearer
from operations.errors import InvalidAuthenticationToken, IssuerUnreachable, Lack

#: The issuer has this long to answer; nobody waits longer.
TIMEOUT = 3.0
#: Keys are fetched again after this many seconds, and used meanwhile.
LIFESPAN = 300.0
#: An issuer that does not answer cannot say that a key was withdrawn: not for longer than this.
LONGEST_LIFESPAN = 24 * 3600.0
#: Seconds between two fetches, whatever tokens arrive: after a good one and after a bad one.
COOLDOWN = 30.0
COOLDOWN_AFTER_FAILURE = 5.0
#: So many requests wait for a fetch; the others are told to come again. Threads are few.
MOST_WAITING = 4
#: How far the issuer's clock may be from ours, in seconds.
CLOCK_SKEW = 30
SMALLEST_KEY = 2048

log = logging.getLogger(__name__)


def verified_claims(text: str, kid: str) -> dict[str, Any]:
    """The claims of a token of the foreign issuer. The calling application is in ``azp``.

    Raises InvalidAuthenticationToken, and IssuerUnreachable when its key cannot be had now.
    """
    claimed = bearer.unverified_claims(text)
    if not settings.FOREIGN_ISSUER or claimed.get("iss") != settings.FOREIGN_ISSUER:
        raise InvalidAuthenticationToken(bearer.FAILURE, Lack.KEY)
    key = _keys_at(settings.FOREIGN_JWKS_URL).find(kid) if kid else None
    if key is None:
        raise InvalidAuthenticationToken(f"{bearer.FAILURE} The issuer has no such key.", Lack.KEY)
    claims = bearer.verified_claims(
        text,
        key,
        audience=settings.FOREIGN_AUDIENCE,
        issuer=settings.FOREIGN_ISSUER,
        require=("exp", "aud", "iss"),
        leeway=CLOCK_SKEW,
    )
    # version 1.0 of Entra's tokens says appid, version 2.0 and Keycloak azp (graph-contract 5.1)
    application = claims.get("azp") or claims.get("appid")
    if not application:
        raise InvalidAuthenticationToken(f"{bearer.FAILURE} It names no application (azp, appid).")
    return claims | {"azp": application}


class IssuerKeys:
    """An issuer's public keys: fetched when needed, kept, and never waited for by all threads.

    A fetch runs in a thread of its own, one at a time and not more often than the cooldowns say,
    so neither a slow issuer nor a flood of made-up key ids holds or drives this process. A key
    that is known is used while its successor is fetched, and while the issuer is down.
    """

    def __init__(self, url: str):
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT)
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched = self._tried = -math.inf
        self._answered = False
        self._flight: threading.Event | None = None

    def find(self, kid: str) -> RSAPublicKey | None:
        """The key with this id; None when the issuer has none, as far as we may ask it.

        Raises IssuerUnreachable when that cannot be known now.
        """
        key, age = self._known(kid)
        if key and age < LIFESPAN:
            return key
        flight = self._refresh()
        if key and age < LONGEST_LIFESPAN:
            return key
        if flight:
            self._wait(flight)
        key, age = self._known(kid)
        if key and age < LONGEST_LIFESPAN:
            return key
        if not self._answered:
            raise IssuerUnreachable(self._seconds_to_next_try())
        return None

    def _known(self, kid: str) -> tuple[RSAPublicKey | None, float]:
        return self._keys.get(kid), time.monotonic() - self._fetched

    def _refresh(self) -> threading.Event | None:
        """Start a fetch, or join the one that is under way. None when it is too early for one."""
        with self._lock:
            since = time.monotonic() - self._tried
            if self._flight and since < 2 * TIMEOUT:  # one that takes longer is given up
                return self._flight
            if since < (COOLDOWN if self._answered else COOLDOWN_AFTER_FAILURE):
                return None
            self._tried, self._answered = time.monotonic(), False
            self._flight = flight = threading.Event()
        threading.Thread(target=self._fetch, args=(flight,), name="issuer", daemon=True).start()
        return flight

    def _wait(self, flight: threading.Event) -> None:
        if not self._waiting.acquire(blocking=False):
            raise IssuerUnreachable(1)
        try:
            if not flight.wait(TIMEOUT):
                raise IssuerUnreachable(self._seconds_to_next_try())
        finally:
            self._waiting.release()

    def _fetch(self, flight: threading.Event) -> None:
        try:
            keys = _signing_keys(self._client.fetch_data())
        except Exception as error:  # whatever an issuer may do; what is known stays known
            log.warning("The keys at %s cannot be had: %s", self._client.uri, error)
        else:
            self._keys, self._fetched, self._answered = keys, time.monotonic(), True
        finally:
            with self._lock:
                if self._flight is flight:
                    self._flight = None
            flight.set()

    def _seconds_to_next_try(self) -> int:
        return max(1, math.ceil(self._tried + COOLDOWN_AFTER_FAILURE - time.monotonic()))


def _signing_keys(document: Any) -> dict[str, RSAPublicKey]:
    """The keys of a JWK Set (RFC 7517) that may sign. Raises an error when there is none."""
    keys = {
        found.key_id: found.key
        for found in PyJWKSet.from_dict(document).keys
        if found.key_id
        and found.public_key_use in ("sig", None)
        and isinstance(found.key, RSAPublicKey)
        and found.key.key_size >= SMALLEST_KEY
    }
    if not keys:
        raise ValueError("there is no RSA key for signatures")
    return keys


@cache
def _keys_at(url: str) -> IssuerKeys:
    return IssuerKeys(url)


def forget_keys() -> None:
    """Begin anew, as another process would: between tests."""
    _keys_at.cache_clear()
