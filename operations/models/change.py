"""Change: the append-only history of everything, and the Actor who is named in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone

from operations.masking import mask
from operations.models.inserting import insert_many, insert_values

if TYPE_CHECKING:
    from operations.models.connection import ExternalConnection
    from operations.models.operation import ConnectionOperation


class Channel(models.TextChoices):
    API = "api", "API"
    DASHBOARD = "dashboard", "dashboard"
    ADMIN = "admin", "admin"
    WORKER = "worker", "worker"
    COMMAND = "command", "command"


class ActorKind(models.TextChoices):
    APPLICATION = "application", "application"
    OPERATOR = "operator", "operator"
    WORKER = "worker", "worker"
    COMMAND = "command", "command"


@dataclass(frozen=True)
class Actor:
    """Who does something, and by which way in. Kept by value in every Change."""

    kind: ActorKind
    name: str
    channel: Channel
    app_id: UUID | None = None
    request_id: str = ""

    @classmethod
    def command(cls, name: str) -> Actor:
        return cls(ActorKind.COMMAND, name, Channel.COMMAND)

    @classmethod
    def worker(cls, name: str, request_id: str = "") -> Actor:
        """``request_id`` is that of the request which asked for the work."""
        return cls(ActorKind.WORKER, name, Channel.WORKER, request_id=request_id)


class Action(models.TextChoices):
    """What happened. The label is the words that a timeline shows."""

    CONNECTION_CREATED = "connection.created", "Connection created"
    CONNECTION_UPDATED = "connection.updated", "Connection changed"
    CONNECTION_DELETION_REQUESTED = "connection.deletionRequested", "Deletion requested"
    CONNECTION_PURGED = "connection.purged", "Connection deleted"
    SCHEMA_IN_FORCE = "schema.inForce", "Schema in force"
    OPERATION_REQUESTED = "operation.requested", "Requested"
    OPERATION_RETRIED = "operation.retried", "Retry requested"
    OPERATION_STARTED = "operation.started", "Started"
    OPERATION_TAKEN_OVER = "operation.takenOver", "Taken over from a silent worker"
    OPERATION_HANDED_BACK = "operation.handedBack", "Handed back to the queue"
    OPERATION_COMPLETED = "operation.completed", "Completed"
    OPERATION_FAILED = "operation.failed", "Failed"
    OPERATION_REPORTED = "operation.reported", "Reported"
    OPERATION_UPDATED = "operation.updated", "Changed"
    OPERATION_ACKNOWLEDGED = "operation.acknowledged", "Acknowledged"
    OPERATION_SUPERSEDED = "operation.superseded", "Superseded by a later success"
    OPERATION_DELETED = "operation.deleted", "Operation deleted"
    ITEM_WRITTEN = "item.written", "Item written by hand"
    ITEM_DELETED = "item.deleted", "Item deleted by hand"
    GROUP_CREATED = "group.created", "Group created"
    GROUP_UPDATED = "group.updated", "Group changed"
    GROUP_DELETED = "group.deleted", "Group deleted"
    MEMBER_ADDED = "group.memberAdded", "Member added"
    MEMBER_REMOVED = "group.memberRemoved", "Member removed"
    APPLICATION_CREATED = "application.created", "Application created"
    APPLICATION_UPDATED = "application.updated", "Application changed"
    SECRET_CREATED = "application.secretCreated", "Secret created"
    SECRET_REVOKED = "application.secretRevoked", "Secret revoked"
    RULE_CHANGED = "outcomeRule.changed", "Outcome rule changed"
    ERROR_RESOLVED = "error.resolved", "Error resolved"
    ERROR_REOPENED = "error.reopened", "Error opened again"
    ERROR_IGNORED = "error.ignored", "Error ignored for a time"
    ERROR_CAUSE_CHANGED = "error.causeChanged", "Cause of an error changed"
    SIGNING_KEY_ROTATED = "signingKey.rotated", "Signing key rotated"
    RUN_STARTED = "run.started", "Action on many started"
    RUN_FINISHED = "run.finished", "Action on many finished"
    RETENTION_APPLIED = "retention.applied", "Old records removed"
    DATA_RESTORED = "data.restored", "Restored from a backup"


class _OfChange(models.Func):
    """Read from columns of a change. No parameters: SQLite finds no index by an expression with one
    in it."""

    columns: tuple[str, ...]
    output_field = models.CharField()

    def __init__(self, **extra: Any):
        super().__init__(*self.columns, **extra)

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> Any:
        columns = [compiler.compile(each)[0] for each in self.get_source_expressions()]
        return self.sql(*columns, is_sqlite=connection.vendor == "sqlite"), []

    def sql(self, *columns: str, is_sqlite: bool) -> str:
        raise NotImplementedError


class ApplicationMeant(_OfChange):
    """The client id of the application that was changed: its subject ends with it, in brackets."""

    columns = "action", "subject"

    def sql(self, *columns: str, is_sqlite: bool) -> str:
        action, subject = columns
        found = f"SUBSTR({subject}, -37, 36)" if is_sqlite else f"LEFT(RIGHT({subject}, 37), 36)"
        return f"CASE WHEN SUBSTR({action}, 1, 12) = 'application.' THEN {found} END"


class ApplicationInvolved(_OfChange):
    """The application that did it, or that it was done to: its client id without hyphens."""

    columns = "actor_app_id", "action", "subject"

    def sql(self, *columns: str, is_sqlite: bool) -> str:
        actor, *others = columns
        actor = actor if is_sqlite else f"CAST({actor} AS text)"
        meant = ApplicationMeant().sql(*others, is_sqlite=is_sqlite)
        return f"REPLACE(COALESCE({actor}, {meant}), '-', '')"


class Ending(_OfChange):
    """How an operation ended by a change, in Graph's word; of one that was reported, the status
    that it was reported with.

    One expression, so that SQLite reads the newest rows first and not all that an index of actions
    has. JSON is read only where the action does not tell.
    """

    columns = "action", "after"

    def sql(self, *columns: str, is_sqlite: bool) -> str:
        action, after = columns
        status = f"JSON_EXTRACT({after}, '$.status')" if is_sqlite else f"({after} ->> 'status')"
        return (
            f"CASE {action} WHEN '{Action.OPERATION_COMPLETED}' THEN 'completed'"
            f" WHEN '{Action.OPERATION_FAILED}' THEN 'failed'"
            f" WHEN '{Action.OPERATION_REPORTED}' THEN {status} END"
        )


#: What is done neither by an application nor over the API, or by only one of the two: the fewer.
BY_OTHERS = ~models.Q(channel=Channel.API, actor_kind=ActorKind.APPLICATION)


class ChangeQuerySet(models.QuerySet["Change"]):
    def of_application(self, app_id: UUID) -> ChangeQuerySet:
        """What was done to an application. By value: it may be gone, or have another name now."""
        return self.filter(Exact(ApplicationMeant(), str(app_id)), connection_key=None)

    def with_application(self, app_id: UUID) -> ChangeQuerySet:
        """What an application did, and what was done to it."""
        return self.filter(Exact(ApplicationInvolved(), app_id.hex))

    def update(self, **kwargs: Any) -> int:
        raise TypeError("Change records are append-only.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("Change records are append-only.")

    def forget(self) -> int:
        """Delete them for good, which only retention does. Returns how many."""
        return super().delete()[0]


class Change(models.Model):
    """One change: when, who, by which channel, under which request id, what, before and after.
    What a worker does has the id of the request that asked for it.

    Written in the transaction of the change itself. It refers to connections and operations by
    value (``*_key`` is the surrogate key of that incarnation), so it outlives what it describes.
    """

    at = models.DateTimeField(default=timezone.now, editable=False)
    action = models.CharField(max_length=40, choices=Action)
    channel = models.CharField(max_length=12, choices=Channel)
    actor_kind = models.CharField(max_length=12, choices=ActorKind)
    actor_name = models.CharField(max_length=200)
    actor_app_id = models.UUIDField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    connection_key = models.BigIntegerField(null=True, blank=True)
    connection_graph_id = models.CharField(max_length=32, blank=True)
    operation_key = models.BigIntegerField(null=True, blank=True)
    operation_graph_id = models.CharField(max_length=128, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    note = models.TextField(blank=True)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(**{f"{field}__in": choices.values}),
                name=f"change_{field}_known",
            )
            for field, choices in (
                ("action", Action),
                ("channel", Channel),
                ("actor_kind", ActorKind),
            )
        ]
        indexes = [
            # the timeline of one connection, of one operation, and "what did this request change"
            models.Index(fields=["connection_key", "id"], name="change_by_connection"),
            models.Index(fields=["operation_key", "id"], name="change_by_operation"),
            models.Index(fields=["request_id"], name="change_by_request"),
            # the filters of the activity page
            models.Index(fields=["at"], name="change_by_time"),
            models.Index(fields=["action", "id"], name="change_by_action"),
            models.Index(ApplicationInvolved(), "id", name="change_with_application"),
            # the history of one application
            models.Index(
                ApplicationMeant(),
                "id",
                name="change_of_application",
                condition=models.Q(connection_key=None),
            ),
            # what people, the worker and commands did, each of which is looked for by itself
            models.Index(
                fields=["id", "channel", "actor_kind"],
                name="change_by_others",
                condition=BY_OTHERS,
            ),
            # a text in a note, which few changes have
            models.Index(
                fields=["id"],
                name="change_with_note",
                condition=~models.Q(note=""),
            ),
            # by the ids that people know, for what may be long gone
            models.Index(Lower("connection_graph_id"), "id", name="change_by_connection_id"),
            models.Index(fields=["operation_graph_id", "id"], name="change_by_operation_id"),
        ]

    def __str__(self) -> str:
        where = self.connection_graph_id or self.subject
        return f"{self.get_action_display()} {where} {self.operation_graph_id}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("Change records are append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Change records are append-only.")

    @classmethod
    def record(cls, actor: Actor, action: Action, **about: Any) -> int:
        """Append one record and return its key; ``about`` is what ``values`` takes. Call it inside
        the transaction that makes the change."""
        return insert_values(cls, **cls.values(actor, action, **about))

    @classmethod
    def values(
        cls,
        actor: Actor,
        action: Action,
        *,
        connection: ExternalConnection | None = None,
        operation: ConnectionOperation | None = None,
        subject: str = "",
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        note: str = "",
    ) -> dict[str, Any]:
        """The columns of a record. ``note`` is kept without secrets; ``before`` and ``after`` are
        as the row is."""
        if operation is not None and connection is None:
            connection = operation.connection
        return {
            "action": action,
            "channel": actor.channel,
            "actor_kind": actor.kind,
            "actor_name": actor.name[:200],
            "actor_app_id": actor.app_id,
            "request_id": actor.request_id[:64],
            "connection_key": connection.pk if connection else None,
            "connection_graph_id": connection.graph_id if connection else "",
            "operation_key": operation.pk if operation else None,
            "operation_graph_id": operation.graph_id if operation else "",
            "subject": subject[:200],
            "before": before,
            "after": after,
            "note": mask(note) if note else "",
        }

    @classmethod
    def of(cls, actor: Actor, action: Action, **about: Any) -> Change:
        """One that ``record_many`` is to append; ``about`` is what ``values`` takes."""
        return cls(**cls.values(actor, action, **about))

    @classmethod
    def record_many(cls, changes: Iterable[Change]) -> None:
        """Append these in their order. Call it inside the transaction that makes the changes."""
        insert_many(list(changes))
