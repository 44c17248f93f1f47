"""Applications and their secrets as the pages show them: what a role allows, what to look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.marks import Mark
from operations.models import ROLES, Action, Application, ApplicationSecret, Change
from operations.models.application import SecretTrouble

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: What each of ROLES lets an application do (operations.access), in their order.
_MEANINGS: tuple[StrOrPromise, ...] = (
    gettext_lazy(
        "Create connections; read, change and delete those that it owns or is authorized for, with "
        "their schema and operations."
    ),
    gettext_lazy("Read every connection, its schema and its operations."),
    gettext_lazy(
        "Read, create, change and delete every connection, with its schema and operations."
    ),
    gettext_lazy("Write items of its own connections. Items are not served here yet."),
    gettext_lazy("Read every item. Items are not served here yet."),
    gettext_lazy("Read and write every item. Items are not served here yet."),
)
ROLE_MEANINGS = dict(zip(ROLES, _MEANINGS, strict=True))
TROUBLE_MARKS = {
    SecretTrouble.EXPIRED: Mark("expired", gettext_lazy("Secret expired"), "octagon"),
    SecretTrouble.EXPIRING: Mark("expiring", gettext_lazy("Secret expires soon"), "triangle"),
    SecretTrouble.UNUSED: Mark("unused", gettext_lazy("Secret unused for 90 days"), "dash"),
}
USABLE = Mark("usable", gettext_lazy("Usable"), "tick")
EXPIRED = Mark("expired", gettext_lazy("Expired"), "octagon")
REVOKED = Mark("revoked", gettext_lazy("Revoked"), "square")
ENABLED = Mark("enabled", gettext_lazy("Enabled"), "tick")
DISABLED = Mark("disabled", gettext_lazy("Disabled"), "pause")


@dataclass(frozen=True)
class SecretRow:
    """One secret, by its beginning."""

    secret: ApplicationSecret

    @property
    def mark(self) -> Mark:
        if self.secret.revoked_at:
            return REVOKED
        return EXPIRED if self.secret.is_expired else USABLE

    @property
    def is_revocable(self) -> bool:
        return self.secret.revoked_at is None


@dataclass(frozen=True)
class ApplicationChange:
    """One thing that was done to an application."""

    change: Change

    @property
    def detail(self) -> str:
        """Which secret, or which members."""
        change = self.change
        if change.action in (Action.SECRET_CREATED, Action.SECRET_REVOKED):
            return f"{(change.after or change.before or {}).get('prefix', '')}…"
        if change.action == Action.APPLICATION_UPDATED:
            return ", ".join(change.after or {})
        return ""


@dataclass(frozen=True)
class ApplicationRow:
    """An application with its secrets (prefetched) and its troubles (``with_troubles``)."""

    application: Application

    @property
    def key(self) -> int:
        return self.application.pk

    @property
    def mark(self) -> Mark:
        return ENABLED if self.application.enabled else DISABLED

    @property
    def _secrets(self) -> list[ApplicationSecret]:
        return list(self.application.secrets.all())

    @property
    def is_foreign(self) -> bool:
        """It has never had a secret here: another issuer signs it in."""
        return not self._secrets

    @property
    def usable(self) -> list[ApplicationSecret]:
        return [secret for secret in self._secrets if secret.is_usable]

    @property
    def next_expiry(self) -> datetime | None:
        """When the first of the usable secrets ends."""
        return min((secret.expires_at for secret in self.usable if secret.expires_at), default=None)

    @property
    def last_used(self) -> ApplicationSecret | None:
        """The secret that was used last, revoked and expired ones included."""
        used = [secret for secret in self._secrets if secret.last_used_at]
        return max(used, key=lambda secret: secret.last_used_at or secret.created_at, default=None)

    @property
    def troubles(self) -> list[Mark]:
        return [
            mark
            for trouble, mark in TROUBLE_MARKS.items()
            if getattr(self.application, f"has_{trouble}")
        ]

    @property
    def roles_by_resource(self) -> list[tuple[str, list[str]]]:
        """``ExternalConnection`` with ``ReadWrite.OwnedBy`` and ``Read.All``: short, for a row."""
        rights: dict[str, list[str]] = {}
        for role in self.application.roles:
            resource, _dot, right = role.partition(".")
            rights.setdefault(resource, []).append(right)
        return list(rights.items())

    @property
    def roles(self) -> list[tuple[str, StrOrPromise]]:
        """Each role with what it allows."""
        unknown = _("This version does not know this role.")
        return [(role, ROLE_MEANINGS.get(role, unknown)) for role in self.application.roles]
