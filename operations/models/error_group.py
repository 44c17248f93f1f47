"""ErrorGroup: failures that say the same, whatever ids, numbers and names they say it with."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from operations.fingerprints import pattern
from operations.models.change import Action, Actor, Change

if TYPE_CHECKING:
    from operations.models.operation import ConnectionOperation

#: How long after it was first seen a group is new.
NEW_FOR = timedelta(hours=24)


class ErrorStatus(models.TextChoices):
    """What became of a group; only the database derives it (``with_status``)."""

    NEW = "new"
    RETURNED = "returned"
    ONGOING = "ongoing"
    IGNORED = "ignored"
    RESOLVED = "resolved"


#: What a person does to a group.
DECISIONS = (
    Action.ERROR_RESOLVED,
    Action.ERROR_REOPENED,
    Action.ERROR_IGNORED,
    Action.ERROR_CAUSE_CHANGED,
)
UNRESOLVED = (ErrorStatus.NEW, ErrorStatus.RETURNED, ErrorStatus.ONGOING, ErrorStatus.IGNORED)


class ErrorGroupQuerySet(models.QuerySet["ErrorGroup"]):
    def note(self, operation: ConnectionOperation) -> None:
        """One more failure of its group. Call it in the transaction of the failure."""
        assert operation.finished_at is not None
        # a failure of before may get its error, and so its group, only now
        at = Value(operation.finished_at, output_field=models.DateTimeField())
        seen = {
            "count": F("count") + 1,
            "first_seen": Least(F("first_seen"), at),
            "last_seen": Greatest(F("last_seen"), at),
        }
        group = self.filter(fingerprint=operation.fingerprint)
        if not group.update(**seen):
            new = ErrorGroup(
                fingerprint=operation.fingerprint,
                pattern=pattern(operation.error_message or ""),
                code=operation.error_code or "",
                target=operation.error_target or "",
                count=0,
                first_seen=operation.finished_at,
                last_seen=operation.finished_at,
            )
            ErrorGroup.objects.bulk_create([new], ignore_conflicts=True)
            group.update(**seen)

    def seen(self) -> ErrorGroupQuerySet:
        """Without those whose failures all got another error since."""
        return self.filter(count__gt=0)

    def with_status(self, now: datetime) -> ErrorGroupQuerySet:
        """Each with its ``status``. The first that holds wins."""
        status = Case(
            When(ignored_until__gt=now, then=Value(ErrorStatus.IGNORED)),
            When(resolved_at__gte=F("last_seen"), then=Value(ErrorStatus.RESOLVED)),
            When(resolved_at__isnull=False, then=Value(ErrorStatus.RETURNED)),
            When(first_seen__gt=now - NEW_FOR, then=Value(ErrorStatus.NEW)),
            default=Value(ErrorStatus.ONGOING),
            output_field=models.CharField(),
        )
        return self.annotate(status=status)

    def in_status(self, now: datetime, *statuses: str) -> ErrorGroupQuerySet:
        return self.with_status(now).filter(Q(status__in=statuses))


class ErrorGroup(models.Model):
    """All failures with one fingerprint. ``count`` is how often it was seen, deleted ones too.

    What a person decides about a group is one of the methods; each returns False and changes
    nothing when somebody else was faster, and leaves a Change that names the fingerprint.
    """

    fingerprint = models.CharField(max_length=32, unique=True, editable=False)
    pattern = models.TextField("sentence", blank=True, editable=False)
    code = models.TextField(blank=True, editable=False)
    target = models.TextField(blank=True, editable=False)
    count = models.BigIntegerField(editable=False)
    first_seen = models.DateTimeField(editable=False)
    last_seen = models.DateTimeField(editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True, editable=False)
    resolved_by = models.CharField(max_length=200, blank=True, editable=False)
    ignored_until = models.DateTimeField(null=True, blank=True, editable=False)
    cause = models.CharField(
        max_length=100,
        blank=True,
        editable=False,
        help_text="Id of an entry of the catalogue of causes. Empty: the one that matches.",
    )

    objects = ErrorGroupQuerySet.as_manager()
    #: One of ErrorStatus, where it was asked for.
    status: str

    class Meta:
        ordering = ["-last_seen", "-id"]
        indexes = [models.Index(fields=["-last_seen", "-id"], name="error_group_by_last_seen")]

    def __str__(self) -> str:
        return self.pattern or self.code or "Failed without an error"

    def resolve(self, actor: Actor, note: str = "") -> bool:
        """Say that it is mended. It returns when it is seen again."""
        return self._decide(
            actor,
            Action.ERROR_RESOLVED,
            UNRESOLVED,
            note,
            resolved_at=timezone.now(),
            resolved_by=actor.name[:200],
            ignored_until=None,
        )

    def reopen(self, actor: Actor) -> bool:
        """Take back that it was resolved, or that it is ignored."""
        return self._decide(
            actor,
            Action.ERROR_REOPENED,
            (ErrorStatus.RESOLVED, ErrorStatus.IGNORED),
            resolved_at=None,
            resolved_by="",
            ignored_until=None,
        )

    def ignore(self, actor: Actor, until: datetime) -> bool:
        """Nobody needs to look at it before that moment, however often it is seen."""
        return self._decide(actor, Action.ERROR_IGNORED, UNRESOLVED, ignored_until=until)

    def choose_cause(self, actor: Actor, cause: str) -> bool:
        """Fix its cause by the id of an entry of the catalogue; empty for the one that matches."""
        return self._decide(actor, Action.ERROR_CAUSE_CHANGED, ErrorStatus, cause=cause)

    def _decide(
        self,
        actor: Actor,
        action: Action,
        statuses: Collection[str],
        note: str = "",
        **values: Any,
    ) -> bool:
        """Set the values if the group is in one of these statuses and has not got them."""
        with transaction.atomic():
            groups = ErrorGroup.objects.in_status(timezone.now(), *statuses)
            current = groups.select_for_update().filter(pk=self.pk).first()
            if current is None:
                return False
            before = current.snapshot()
            for field, value in values.items():
                setattr(current, field, value)
            after = current.snapshot()
            changed = [member for member in after if before[member] != after[member]]
            if not changed:
                return False
            current.save(update_fields=list(values))
            named = {"fingerprint": self.fingerprint}
            Change.record(
                actor,
                action,
                subject=f"{self.code}: {self}" if self.code and self.pattern else str(self),
                before=named | {member: before[member] for member in changed},
                after=named | {member: after[member] for member in changed},
                note=note,
            )
        return True

    def snapshot(self) -> dict[str, Any]:
        """What a Change keeps of a group: what a person decides about it."""
        return {
            "resolved": self.resolved_at and self.resolved_at.isoformat(),
            "ignoredUntil": self.ignored_until and self.ignored_until.isoformat(),
            "cause": self.cause,
        }

    @property
    def changes(self) -> models.QuerySet[Change]:
        """What was decided about it, the newest first. By value: its own row is not named."""
        decided = Change.objects.filter(connection_key=None, action__in=DECISIONS)
        return decided.filter(after__fingerprint=self.fingerprint).order_by("-id")
