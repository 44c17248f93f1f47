"""Why a call was refused, in words: what it lacked, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from operations.dashboard.presentation.numbers import exact_duration
from operations.errors import Lack
from operations.models import Application, Refusal

#: Nobody has proven what such a token, or a caller without the right secret, says of itself.
UNPROVEN = (Lack.KEY, Lack.SIGNATURE, Lack.OTHER_AUDIENCE, Lack.RIGHT_SECRET, Lack.REQUEST)


@dataclass(frozen=True)
class RefusalShown:
    """One refusal. ``application`` is the one with its app id as it is now, if there is one."""

    refusal: Refusal
    application: Application | None

    @property
    def is_unproven(self) -> bool:
        return self.refusal.app_id is not None and self.refusal.lack in UNPROVEN

    @property
    def lacked(self) -> str:
        """What the call lacked, in a sentence or two."""
        return _lacked(self.refusal, self._facts) or self.refusal.message

    @property
    def to_do(self) -> list[str]:
        """What to do, step by step."""
        return _by_now(self.refusal, self.application) or _to_do(self.refusal)

    @property
    def _facts(self) -> dict[str, str]:
        facts = self.refusal.facts
        return {
            "issuer": facts.get("issuer", ""),
            "audience": facts.get("audience", ""),
            "roles": _listed(facts.get("roles", [])),
            "held": _listed(self.refusal.held),
            "needed": _listed(self.refusal.needed),
            "app": str(self.refusal.app_id or ""),
        }


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _lacked(refusal: Refusal, facts: dict[str, str]) -> str:
    if refusal.lack == Lack.LIFETIME:
        return _expired(refusal)
    if refusal.lack == Lack.ROLE:
        return _role(refusal, facts)
    if refusal.lack == Lack.KEY and facts["issuer"]:
        return (
            _(
                "The signature matches none of our keys. The token says that it was issued by "
                "%(issuer)s."
            )
            % facts
        )
    sentences: dict[Lack | None, str] = {
        Lack.TOKEN: _("The call carried no bearer token."),
        Lack.FORM: _("What the call carried is not a token."),
        Lack.KEY: _("The signature matches none of our keys."),
        Lack.SIGNATURE: _(
            "The signature does not fit: the token was cut or changed after it was issued."
        ),
        Lack.START: _("The token was not valid yet when the call came."),
        Lack.AUDIENCE: _("The token is for %(audience)s and not for this service."),
        Lack.OTHER_AUDIENCE: _("The token is for Microsoft Graph itself (%(audience)s)."),
        Lack.ISSUER: _("The token was issued by %(issuer)s, which is not the issuer here."),
        Lack.CLAIMS: _("The token does not say what is needed, such as its application (azp)."),
        Lack.APPLICATION: _("There is no application with the client id %(app)s.")
        if refusal.app_id
        else _("There is no application with this client id."),
        Lack.ENABLED: _("The application is disabled."),
        Lack.SECRET: _("The secret that the token was got with was revoked, or has expired since."),
        Lack.REGISTRATION: _(
            "The token is good, but its application %(app)s is not registered here."
        ),
        Lack.APP_ROLES: _(
            "The token speaks for a person (%(roles)s). Connections are managed by applications."
        ),
        Lack.OWNERSHIP: _(
            "The application may read this connection, but it neither owns it nor is listed in its "
            "configuration.authorizedAppIds."
        ),
        Lack.RIGHT_SECRET: _("The secret is none of this application."),
        Lack.CURRENT_SECRET: _("The secret has expired."),
        Lack.KEPT_SECRET: _("The secret was revoked."),
    }
    return sentences.get(_lack(refusal), "") % facts


def _lack(refusal: Refusal) -> Lack | None:
    """None for what a newer version has written."""
    return Lack(refusal.lack) if refusal.lack in list(Lack) else None


def _expired(refusal: Refusal) -> str:
    try:
        ended = datetime.fromisoformat(refusal.facts["expires"])
    except (KeyError, ValueError):
        return _("The token has expired.")
    return _("The token expired %(time)s before the call.") % {
        "time": exact_duration(refusal.at - ended)
    }


def _role(refusal: Refusal, facts: dict[str, str]) -> str:
    needs = _("This call needs one of: %(needed)s.") % facts
    taken = [role for role in refusal.needed if role in refusal.facts.get("roles", [])]
    if taken:
        carries = _("The token carries %(role)s, but the application has this role no longer.") % {
            "role": _listed(taken)
        }
    elif refusal.held:
        carries = _("The token carries %(held)s.") % facts
    else:
        carries = _("The token carries no role that the application has.")
    return f"{carries} {needs}"


def _by_now(refusal: Refusal, application: Application | None) -> list[str]:
    """When what was lacking is there by now."""
    if application is None:
        return []
    granted = [role for role in refusal.needed if role in application.roles]
    if refusal.lack == Lack.ROLE and granted:
        return [
            _("The application has %(role)s now. A token that it gets from now on carries it.")
            % {"role": _listed(granted)}
        ]
    if refusal.lack == Lack.ENABLED and application.enabled:
        return [_("It is enabled by now: the same call would be let in.")]
    if refusal.lack in (Lack.APPLICATION, Lack.REGISTRATION):
        return [_("It is registered by now: the same call would be let in.")]
    return []


def _to_do(refusal: Refusal) -> list[str]:
    scope = f"{settings.TOKEN_AUDIENCE}/.default"
    new_token = _("Let the client get a new token from this service.")
    secret = _("An administrator makes a new secret on the application's page.")
    ask_for = _("Ask the token endpoint of this service for the scope %(scope)s.") % {
        "scope": scope
    }
    steps: dict[Lack | None, list[str]] = {
        Lack.TOKEN: [
            _("Send the header Authorization with Bearer, a space, and the token."),
            _("See whether a proxy on the way takes the header off."),
        ],
        Lack.FORM: [
            _("Send the access_token of the token endpoint's answer, whole and without quotes.")
        ],
        Lack.KEY: [
            new_token,
            _(
                "If the token is to come from an issuer of your own, set FOREIGN_ISSUER, "
                "FOREIGN_AUDIENCE and FOREIGN_JWKS_URL."
            ),
        ],
        Lack.SIGNATURE: [
            _("Send the token as it was issued; look for a length limit that cuts it."),
            new_token,
        ],
        Lack.LIFETIME: [
            _(
                "Let the client get a new token before the old one ends (expires_in), and after "
                "each 401."
            ),
            _("Compare the clocks of the two machines."),
        ],
        Lack.START: [_("Compare the clocks of the two machines.")],
        Lack.AUDIENCE: [ask_for],
        Lack.OTHER_AUDIENCE: [
            _("Tokens for Microsoft Graph are never taken here, whatever is configured."),
            ask_for,
        ],
        Lack.ISSUER: [
            new_token,
            _("If this service has moved, set TOKEN_ISSUER to the address that clients use."),
        ],
        Lack.CLAIMS: [ask_for],
        Lack.APPLICATION: [
            _("Compare the client id with those of this page."),
            _("An administrator registers a new application here."),
        ],
        Lack.ENABLED: [_("An administrator enables it on its page, if it is to call again.")],
        Lack.SECRET: [
            _("Let the client get a new token with a secret that is usable."),
            secret,
        ],
        Lack.REGISTRATION: [
            _("An administrator registers it here under this id, as one of another issuer.")
        ],
        Lack.APP_ROLES: [
            _("Let the client sign in as an application (grant_type client_credentials)."),
            _("TOKEN_DELEGATED_USE allows tokens of persons, if that is what you want."),
        ],
        Lack.ROLE: [
            _("An administrator grants one of the roles on the application's page."),
            _("Then let the client get a new token: one that is out does not know new roles."),
        ],
        Lack.OWNERSHIP: [
            _("The owner adds the client id to configuration.authorizedAppIds, or"),
            _("an administrator grants ExternalConnection.ReadWrite.All."),
        ],
        Lack.RIGHT_SECRET: [
            _(
                "Send the secret itself, not its id or beginning; look for characters that were "
                "cut off or quoted."
            ),
            secret,
        ],
        Lack.CURRENT_SECRET: [secret],
        Lack.KEPT_SECRET: [secret],
        Lack.REQUEST: [_("Send what the message asks for.")],
    }
    return steps.get(_lack(refusal), [])
