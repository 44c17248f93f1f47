"""System checks: unsafe or impossible combinations of settings, refused at start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.http.request import split_domain_port, validate_host
from django.urls import get_resolver

from operations import bearer, causes

#: What a start looks at. Django's other checks are about the code, not about an installation
#: (``make check`` runs them); they take most of a second, and one asks the database, maybe broken.
AT_START = [Tags.security, Tags.files]
LOOPBACK = {"localhost", "127.0.0.1", "[::1]", "testserver"}


@register(Tags.security)
def check_exposure(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What is harmless on one's own machine and is not when others can reach it."""
    return list(_problems())


def _problems() -> Iterator[CheckMessage]:
    real_hosts = sorted(set(settings.ALLOWED_HOSTS) - LOOPBACK)
    public = urlsplit(settings.PUBLIC_URL)
    if settings.DEBUG and real_hosts:
        yield Error(
            f"DEBUG is on and ALLOWED_HOSTS lets others in ({', '.join(real_hosts)}).",
            hint="Unset DEBUG: its error pages show settings and source.",
            id="operations.E001",
        )
    if "*" in settings.ALLOWED_HOSTS and not settings.PUBLIC_URL and not settings.DEBUG:
        yield Error(
            "ALLOWED_HOSTS is * and PUBLIC_URL is not set, so a caller's Host header decides "
            "what addresses the answers carry.",
            hint="Name the hosts in ALLOWED_HOSTS, or set PUBLIC_URL.",
            id="operations.E002",
        )
    public_host, _ = split_domain_port(public.netloc)
    if settings.PUBLIC_URL and not validate_host(public_host, settings.ALLOWED_HOSTS):
        yield Error(
            f"The host of PUBLIC_URL ({public.netloc}) is not in ALLOWED_HOSTS.",
            hint="Add it: every request to it would be a 400.",
            id="operations.E003",
        )
    first = public.path.split("/")[1:2]
    if first and first[0] in {"static", *_first_segments(get_resolver().url_patterns)}:
        yield Error(
            f"The path of PUBLIC_URL ({public.path}) begins as addresses of this service do.",
            hint="Choose another, such as /connectors: behind a proxy that takes the path away, "
            "nobody could tell the two apart.",
            id="operations.E005",
        )
    if public.scheme == "https" and not settings.SESSION_COOKIE_SECURE:
        yield Error(
            "PUBLIC_URL is https and SECURE_COOKIES is off.",
            hint="Unset SECURE_COOKIES; it is on by itself with an https PUBLIC_URL.",
            id="operations.E004",
        )
    if (
        public.scheme == "https"
        and public_host not in LOOPBACK
        and not settings.TRUST_FORWARDED_HEADERS
        and not settings.SERVED_CERTIFICATE
    ):
        yield Warning(
            "PUBLIC_URL is https, so a proxy ends TLS, and TRUST_FORWARDED_HEADERS is off: "
            "everybody seems to come from the proxy, and one who guesses passwords holds off all.",
            hint="Let the proxy set X-Forwarded-For, -Proto and -Host, and turn it on.",
            id="operations.W002",
        )
    told_of_tls = public.scheme == "https" or settings.SESSION_COOKIE_SECURE
    if real_hosts and not told_of_tls and not settings.DEBUG:
        yield Warning(
            "Others can reach this service, and it is not told that it is behind TLS: bearer "
            "tokens and passwords may travel in the clear.",
            hint="Use serve --tls or put a TLS proxy in front, and set PUBLIC_URL to the https "
            "address.",
            id="operations.W001",
        )


def _first_segments(patterns: Iterable[Any]) -> Iterator[str]:
    for pattern in patterns:
        route = str(pattern.pattern)
        if route:
            yield route.partition("/")[0]
        else:
            yield from _first_segments(getattr(pattern, "url_patterns", []))


@register(Tags.security)
def check_issuers(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Whose tokens are accepted: a wrong word here would open the door to somebody else's."""
    return list(_issuer_problems())


def _issuer_problems() -> Iterator[CheckMessage]:
    foreign = {
        name: getattr(settings, name)
        for name in ("FOREIGN_ISSUER", "FOREIGN_AUDIENCE", "FOREIGN_JWKS_URL")
    }
    missing = [name for name, value in foreign.items() if not value]
    if 0 < len(missing) < len(foreign):
        yield Error(
            f"{' and '.join(missing)} must be set too: a foreign issuer is named by all of "
            f"{', '.join(foreign)}, or by none.",
            hint="Set all three, or unset the others.",
            id="operations.E010",
        )
    for name, audience in (
        ("TOKEN_AUDIENCE", [settings.TOKEN_AUDIENCE]),
        ("FOREIGN_AUDIENCE", settings.FOREIGN_AUDIENCE),
    ):
        if bearer.is_graph_audience(audience):
            yield Error(
                f"{name} names Microsoft Graph itself ({', '.join(audience)}), whose tokens are "
                "never accepted here.",
                hint="Register an application of your own with the issuer and use its id or URI.",
                id="operations.E011",
            )
    for name in ("FOREIGN_ISSUER", "FOREIGN_JWKS_URL"):
        parts = urlsplit(foreign[name])
        if foreign[name] and not (
            parts.scheme == "https"
            or (parts.scheme == "http" and f"{parts.hostname}" in ("localhost", "127.0.0.1", "::1"))
        ):
            yield Error(
                f"{name} must begin with https:// (http:// only on this machine), not "
                f"{foreign[name]}.",
                hint="Whoever can change what comes over plain http could sign tokens.",
                id="operations.E012",
            )


@register(Tags.security)
def check_retention(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A failure is wanted for longer than a success."""
    completed, failed = settings.RETENTION_COMPLETED, settings.RETENTION_FAILED
    if (failed or inf) >= (completed or inf):
        return []
    kept = f"{completed:g} days" if completed else "for ever, as it is not set"
    return [
        Error(
            f"RETENTION_FAILED is {failed:g} days: failures would go before successes, which "
            f"RETENTION_COMPLETED keeps {kept}.",
            hint="Set RETENTION_FAILED to at least as many days, or unset it: then failures stay.",
            id="operations.E020",
        )
    ]


@register(Tags.files)
def check_causes(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """The administrator's catalogue of causes: what is wrong with it must not stop the service."""
    return [
        Warning(
            f"{settings.CAUSES_FILE} is not used: {fault}",
            hint="Correct the file that CAUSES_FILE names; operations/causes.toml says how.",
            id="operations.W020",
        )
        for fault in causes.faults()
    ]
