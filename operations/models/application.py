"""Application: another service that calls the API, its secrets and its granted roles."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, ExpressionWrapper, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from operations import caller_cache
from operations.errors import ItemNotFound
from operations.models.change import Action, Actor, Change

#: Graph's application roles that can be granted, least privileged first (graph-contract 5.5).
ROLES = (
    "ExternalConnection.ReadWrite.OwnedBy",
    "ExternalConnection.Read.All",
    "ExternalConnection.ReadWrite.All",
    "ExternalItem.ReadWrite.OwnedBy",
    "ExternalItem.Read.All",
    "ExternalItem.ReadWrite.All",
)
PREFIX_LENGTH = 6
#: How long before a secret ends, and after it was used last, somebody should look at it.
EXPIRES_SOON = timedelta(days=14)
UNUSED_FOR = timedelta(days=90)


class SecretTrouble(models.TextChoices):
    """Why somebody should look at an application's secrets."""

    EXPIRED = "expired"  # one has, and none else is usable
    EXPIRING = "expiring"  # a usable one, soon
    UNUSED = "unused"  # a usable one, for long


def validate_roles(roles: object) -> None:
    """A list of role names that we know, each once."""
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValidationError("Roles must be a list of role names.")
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise ValidationError(f"Unknown role: {', '.join(unknown)}. Roles are: {', '.join(ROLES)}.")
    if len(set(roles)) != len(roles):
        raise ValidationError("A role is granted once.")


class ApplicationQuerySet(models.QuerySet["Application"]):
    def troubled(self, now: datetime, *troubles: str) -> ApplicationQuerySet:
        """The applications that have one of these troubles."""
        conditions = _troubles(now)
        wanted = Q(pk__in=[])
        for trouble in troubles:
            wanted |= conditions[SecretTrouble(trouble)]
        return self.filter(wanted)

    def with_troubles(self, now: datetime) -> ApplicationQuerySet:
        """Each with ``has_expired``, ``has_expiring`` and ``has_unused`` secrets."""
        return self.annotate(
            **{
                f"has_{trouble}": ExpressionWrapper(condition, models.BooleanField())
                for trouble, condition in _troubles(now).items()
            }
        )


def _troubles(now: datetime) -> dict[SecretTrouble, Q]:
    """What each trouble means. One that is disabled has none: it is switched off on purpose."""
    secrets = ApplicationSecret.objects.filter(application=OuterRef("pk"), revoked_at=None)
    usable = secrets.usable(now)
    unused = usable.alias(used=Coalesce("last_used_at", "created_at"))
    enabled = Q(enabled=True)
    return {
        SecretTrouble.EXPIRED: enabled & Q(Exists(secrets)) & ~Q(Exists(usable)),
        SecretTrouble.EXPIRING: enabled
        & Q(Exists(usable.filter(expires_at__lte=now + EXPIRES_SOON))),
        SecretTrouble.UNUSED: enabled & Q(Exists(unused.filter(used__lte=now - UNUSED_FOR))),
    }


class ApplicationManager(models.Manager.from_queryset(ApplicationQuerySet)):  # type: ignore[misc]
    def register(self, actor: Actor, name: str, roles: Sequence[str]) -> tuple[Application, str]:
        """Create an application with one secret; the secret is returned now and never again.

        Raises ValidationError for a blank name or an unknown role.
        """
        with transaction.atomic():
            application = self._create(actor, Application(name=name, roles=list(roles)))
            secret = application.create_secret(actor)
        return application, secret

    def register_foreign(
        self, actor: Actor, name: str, roles: Sequence[str], app_id: uuid.UUID
    ) -> Application:
        """Create an application that another issuer signs in, under its id there. No secret.

        Raises ValidationError for a blank name, an unknown role or an id that is taken.
        """
        with transaction.atomic():
            return self._create(actor, Application(name=name, roles=list(roles), app_id=app_id))

    def _create(self, actor: Actor, application: Application) -> Application:
        application.full_clean()
        try:
            with transaction.atomic():
                application.save()
        except IntegrityError:
            application.full_clean()  # names the one that came first
            raise
        Change.record(
            actor,
            Action.APPLICATION_CREATED,
            subject=str(application),
            after=application.snapshot(),
        )
        return application


class Application(models.Model):
    """A client of the API. ``app_id`` is its client id and what owns connections."""

    app_id = models.UUIDField("client id", default=uuid.uuid4, unique=True)
    name = models.CharField(max_length=120)
    roles = models.JSONField(default=list, blank=True, validators=[validate_roles])
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ApplicationManager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(name=""),
                name="application_named",
                violation_error_message="An application needs a name.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.app_id})"

    def snapshot(self) -> dict:
        return {"name": self.name, "roles": self.roles, "enabled": self.enabled}

    def revise(self, actor: Actor, **values: Any) -> bool:
        """Set the values given and record those that changed. Returns whether any did.

        Raises ItemNotFound when it is gone, ValidationError for values that break a rule.
        """
        with transaction.atomic():
            current = type(self).objects.select_for_update().filter(pk=self.pk).first()
            if current is None:
                raise ItemNotFound("Application")
            before = current.snapshot()
            for field, value in values.items():
                setattr(current, field, value)
            current.full_clean()
            after = current.snapshot()
            changed = [member for member in after if before[member] != after[member]]
            if changed:
                current.save(update_fields=list(values))
                Change.record(
                    actor,
                    Action.APPLICATION_UPDATED,
                    subject=str(current),
                    before={member: before[member] for member in changed},
                    after={member: after[member] for member in changed},
                )
                _look_again()
            self.refresh_from_db()
        return bool(changed)

    def create_secret(self, actor: Actor, expires_at: datetime | None = None) -> str:
        """Make a further secret and return its text, which is stored only as a hash."""
        text = self.new_secret()
        with transaction.atomic():
            row = self.secrets.create(
                prefix=text[:PREFIX_LENGTH],
                digest=secret_digest(text),
                expires_at=expires_at,
                created_by=actor.name[:200],
            )
            Change.record(
                actor,
                Action.SECRET_CREATED,
                subject=str(self),
                after={"prefix": row.prefix, "expires": expires_at and expires_at.isoformat()},
            )
        return text

    @staticmethod
    def new_secret() -> str:
        """The text of a secret, in the form of Entra's: what scans logs for secrets knows it."""
        text = secrets.token_urlsafe(30)
        return f"{text[:3]}8Q~{text[6:]}"

    def find_secret(self, text: str) -> ApplicationSecret | None:
        """The secret with this text, revoked and expired ones included."""
        digest = secret_digest(text)
        return next(
            (row for row in self.secrets.all() if hmac.compare_digest(row.digest, digest)), None
        )


class ApplicationSecretQuerySet(models.QuerySet["ApplicationSecret"]):
    def usable(self, now: datetime) -> ApplicationSecretQuerySet:
        """Those that get a token: neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApplicationSecret(models.Model):
    """One client secret. Secrets are long and random, so a plain SHA-256 keeps them safe."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="secrets")
    key_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    prefix = models.CharField(max_length=PREFIX_LENGTH, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.CharField(max_length=200, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_address = models.CharField(max_length=45, blank=True, editable=False)

    objects = ApplicationSecretQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and not self.is_expired

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def revoke(self, actor: Actor) -> bool:
        """Make it useless, and every token that was got with it. False if it was revoked before."""
        with transaction.atomic():
            now = timezone.now()
            live = type(self).objects.filter(pk=self.pk, revoked_at=None)
            revoked = bool(live.update(revoked_at=now))
            if revoked:
                self.revoked_at = now
                _look_again()
                Change.record(
                    actor,
                    Action.SECRET_REVOKED,
                    subject=str(self.application),
                    before={"prefix": self.prefix},
                )
        return revoked


def _look_again() -> None:
    """What this process has changed counts in it at once; in the others, when they look again."""
    caller_cache.forget()
    transaction.on_commit(caller_cache.forget)  # somebody may have looked meanwhile


def secret_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
