"""ConnectionOperation: asynchronous work on a connection, its states and its moves.

Every move is a conditional update whose row count decides who won; which moves there are stands in
``models.moves``. The worker's are made in ``operations.provisioning``; those that a caller or a
person makes are here.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from operations.errors import (
    InvalidStateTransition,
    ItemNotFound,
    OperationInProgress,
)
from operations.masking import mask, mask_json
from operations.models.change import Action, Actor, Change, Channel
from operations.models.connection import ExternalConnection
from operations.models.enums import OperationStatus
from operations.models.moves import (
    ERROR_COLUMNS,
    KEEP,
    MOVES,
    TERMINAL,
    Keep,
    Kind,
    Triage,
    check_error_fits,
    error_columns,
    outcome_columns,
    same_json,
)
from operations.models.operation_id import (
    OPERATION_ID,
    new_operation_id,
    validate_operation_id,
)
from operations.models.operation_indexes import INDEXES
from operations.models.operation_queryset import ConnectionOperationQuerySet
from operations.models.operation_row import OperationMembers
from operations.models.outcome_count import count_outcome, recount_failure
from operations.models.pace import overdue_at
from operations.models.prepared import Prepared, parameter, parameters
from operations.models.texts import CodePointField
from operations.preconditions import ALWAYS, Precondition

if TYPE_CHECKING:
    from operations.models.schema import Schema


class ConnectionOperation(OperationMembers, models.Model):
    """``microsoft.graph.externalConnectors.connectionOperation``.

    Graph's members are ``graph_id`` (id), ``status`` and the error columns. All else is ours and
    never appears in Graph-shaped JSON.
    """

    connection = models.ForeignKey(
        ExternalConnection, on_delete=models.CASCADE, related_name="operations", db_index=False
    )
    graph_id = CodePointField(
        "id", max_length=128, default=new_operation_id, validators=[validate_operation_id]
    )
    kind = models.CharField(max_length=24, choices=Kind, default=Kind.REPORTED)
    status = models.SmallIntegerField(choices=OperationStatus, default=OperationStatus.INPROGRESS)
    # null: the member was not given. "" is a value that a caller may send.
    error_code = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    error_message = models.TextField(null=True, blank=True)  # noqa: DJ001
    error_target = models.TextField(null=True, blank=True)  # noqa: DJ001
    error_details = models.JSONField(null=True, blank=True)
    error_inner = models.JSONField(null=True, blank=True)

    payload = models.JSONField(null=True, blank=True, editable=False)
    requested_by = models.CharField(max_length=200, blank=True, editable=False)
    requested_app_id = models.UUIDField(null=True, blank=True, editable=False)
    request_id = models.CharField(max_length=64, blank=True, editable=False)
    retry_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="retries",
        db_index=False,
    )
    triage = models.CharField(max_length=12, choices=Triage, default=Triage.NONE, blank=True)
    triage_note = models.TextField(blank=True)

    created_at = models.DateTimeField("requested", default=timezone.now, editable=False)
    started_at = models.DateTimeField("started", null=True, blank=True, editable=False)
    finished_at = models.DateTimeField("finished", null=True, blank=True, editable=False)
    changed_at = models.DateTimeField(auto_now=True)
    # the median of its connection when it began; from when on it is stuck, while it is in progress
    usual_seconds = models.FloatField(null=True, blank=True, editable=False)
    overdue_at = models.DateTimeField(null=True, blank=True, editable=False)
    fingerprint = models.CharField(max_length=32, blank=True, editable=False)

    # The worker's columns: when it may be claimed, who holds it until when, the how manieth time.
    run_after = models.DateTimeField(default=timezone.now, editable=False)
    worker = models.CharField(max_length=100, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempt = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = ConnectionOperationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("read_pages", "Can read the dashboard"),
            ("operate", "Can retry, acknowledge and export"),
            ("administer", "Can edit, delete, resolve, and manage applications and settings"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "graph_id"],
                name="operation_id_once_per_connection",
                violation_error_message="This connection has an operation with this id already.",
            ),
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(kind=Kind.SCHEMA_REGISTRATION, status=OperationStatus.INPROGRESS),
                name="operation_one_unfinished_registration",
                violation_error_message="A schema registration of this connection is unfinished.",
            ),
            models.CheckConstraint(
                condition=Q(status__in=OperationStatus.values),
                name="operation_status_known",
                violation_error_message="Status must be one of Graph's operation statuses.",
            ),
            models.CheckConstraint(
                condition=Q(graph_id__regex=rf"^{OPERATION_ID.pattern}\Z")
                & ~Q(graph_id__in=[".", ".."]),
                name="operation_id_form",
                violation_error_message="The id must be 1 to 128 of A-Z a-z 0-9 . _ ~ -.",
            ),
            models.CheckConstraint(
                condition=Q(triage__in=Triage.values),
                name="operation_triage_known",
                violation_error_message="Triage must be open, acknowledged, superseded or empty.",
            ),
            models.CheckConstraint(
                condition=~Q(kind=Kind.SCHEMA_REGISTRATION) | Q(payload__isnull=False),
                name="operation_registration_has_payload",
                violation_error_message="A registration holds the schema that it registers.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values),
                name="operation_kind_known",
                violation_error_message="Kind must be schemaRegistration or reported.",
            ),
            models.CheckConstraint(
                condition=Q(status=OperationStatus.FAILED)
                | Q(**{f"{column}__isnull": True for column in ERROR_COLUMNS.values()}),
                name="operation_error_only_when_failed",
                violation_error_message="An error is only allowed with status failed.",
            ),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, finished_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(finished_at__isnull=True)),
                name="operation_finished_iff_terminal",
                violation_error_message="A finished time belongs to completed and failed only.",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.REPORTED)
                | Q(status__in=(OperationStatus.INPROGRESS, *TERMINAL)),
                name="operation_worker_status",
                violation_error_message="Our worker's operations are in progress, completed or "
                "failed.",
            ),
            models.CheckConstraint(
                condition=Q(status=OperationStatus.FAILED) | Q(triage=Triage.NONE),
                name="operation_triage_only_when_failed",
                violation_error_message="Only a failure can be triaged.",
            ),
            models.CheckConstraint(
                condition=Q(lease_until__isnull=True, worker="")
                | Q(
                    kind=Kind.SCHEMA_REGISTRATION,
                    status=OperationStatus.INPROGRESS,
                    started_at__isnull=False,
                ),
                name="operation_lease_only_while_running",
                violation_error_message="Only a running registration is held by a worker.",
            ),
        ]
        indexes = INDEXES

    def __str__(self) -> str:
        return self.graph_id

    @property
    def is_queued(self) -> bool:
        """In progress as Graph says it, but no worker has it in hand (any more)."""
        return self.is_workers and self.status == OperationStatus.INPROGRESS and not self.worker

    def is_stuck(self, now: datetime) -> bool:
        """In progress for longer than is usual, as ``ConnectionOperationQuerySet.stuck`` finds."""
        in_progress = self.status == OperationStatus.INPROGRESS
        return in_progress and self.overdue_at is not None and self.overdue_at < now

    @property
    def can_be_retried(self) -> bool:
        """A finished failure of our worker; what is retried is the payload, as a new operation."""
        return self.is_workers and self.status == OperationStatus.FAILED

    @property
    def registered(self) -> Schema | None:
        """The schema version that this operation brought into force."""
        return getattr(self, "registered_schema", None)

    def move(
        self,
        actor: Actor,
        *,
        status: OperationStatus | None = None,
        error: dict[str, Any] | None | Keep = KEEP,
        note: str = "",
        only_if: Precondition = ALWAYS,
    ) -> bool:
        """Move to ``status`` (None: stay) and give the error (KEEP: none was sent).

        Returns False when nothing would change, as for an object that was read and sent back.
        Raises InvalidRequest for an error without ``failed``; InvalidStateTransition for a move
        that MOVES does not have or an error that is already fixed; OperationInProgress for an
        unfinished operation of our worker (by hand it may be failed, never completed);
        ItemNotFound when it was deleted meanwhile; PreconditionFailed when it is not what
        ``only_if`` names. Whoever comes second gets the named refusal.
        """
        with transaction.atomic():
            ExternalConnection.objects.hold(self.connection_id, shared=True)
            current = _LOCKED.first(key=self.pk)
            if current is None:
                raise ItemNotFound("ConnectionOperation")
            only_if.check(current.etag)
            current.connection = self.connection
            changed = current._apply_move(actor, status, error, note)
        # what is answered, and its tag, are what this call has made or found under the lock
        for field in self._meta.concrete_fields:
            setattr(self, field.attname, getattr(current, field.attname))
        return changed

    def _apply_move(
        self,
        actor: Actor,
        status: OperationStatus | None,
        error: dict[str, Any] | None | Keep,
        note: str,
    ) -> bool:
        old = OperationStatus(self.status)
        new = old if status is None else status
        if error is not KEEP:
            error = mask_json(error)  # as it is kept: what is sent again is the same
        if new == old and (error is KEEP or same_json(error, self.error)):
            return False
        given = None if error is KEEP else error
        assert not isinstance(given, Keep)
        check_error_fits(new, given)
        self._check_move(actor, old, new, given)
        before = self.snapshot()
        now = timezone.now()
        columns = {"changed_at": now}
        if new == old:  # a failure gets its error; it failed when it failed
            columns |= error_columns(given)
            moved = _BARE_FAILURE
        else:
            columns |= outcome_columns(new, given, now) | {"started_at": self.started_at or now}
            if new == OperationStatus.INPROGRESS:
                columns["overdue_at"] = overdue_at(now, self.usual_seconds)
            moved = _MOVED
        if not moved.update(key=self.pk, old=old, **columns):
            raise InvalidStateTransition(
                f"Operation '{self.graph_id}' was changed by somebody else just now.",
                target="status",
            )
        grouped_before = self.fingerprint
        for column, value in columns.items():
            setattr(self, column, value)
        action = {
            OperationStatus.COMPLETED: Action.OPERATION_COMPLETED,
            OperationStatus.FAILED: Action.OPERATION_FAILED,
        }.get(new, Action.OPERATION_UPDATED)
        Change.record(
            actor,
            action if new != old else Action.OPERATION_UPDATED,
            operation=self,
            before=before,
            after=self.snapshot(),
            note=note,
        )
        if new == OperationStatus.COMPLETED:
            self.supersede_failures(actor)
        # last, for all that end on one day share the row in which they are counted
        if new == old:
            recount_failure(self, grouped_before)
        elif self.is_terminal:
            count_outcome(self)
        return True

    def _check_move(
        self, actor: Actor, old: OperationStatus, new: OperationStatus, error: dict | None
    ) -> None:
        if self.is_workers and not self.is_terminal:
            by_hand = actor.channel in (Channel.ADMIN, Channel.DASHBOARD)
            if not (by_hand and new == OperationStatus.FAILED):
                raise OperationInProgress(
                    f"Operation '{self.graph_id}' is run by the worker and is not finished.",
                    target="status",
                    operationId=self.graph_id,
                )
        elif new == old:
            if error is None or self.error is not None:
                raise InvalidStateTransition(
                    f"The error of operation '{self.graph_id}' is final.", target="error"
                )
        elif new not in MOVES[old]:
            raise InvalidStateTransition(
                f"Property 'status' cannot change from '{old.word}' to '{new.word}'.",
                target="status",
                status=old.word,
            )

    def supersede_failures(self, actor: Actor) -> None:
        """Earlier open failures of the same kind need nobody any more: this one succeeded.

        One that is being reported at this moment stays open until the next success.
        """
        earlier = {"connection": self.connection_id, "kind": self.kind, "key": self.pk}
        for failure in _FAILURES_BEFORE.rows(**earlier):
            failure.connection = self.connection
            updated = type(self).objects.filter(pk=failure.pk, triage=Triage.OPEN)
            if updated.update(triage=Triage.SUPERSEDED, changed_at=timezone.now()):
                Change.record(
                    actor,
                    Action.OPERATION_SUPERSEDED,
                    operation=failure,
                    before={"triage": Triage.OPEN},
                    after={"triage": Triage.SUPERSEDED},
                    note=f"by {self.graph_id}",
                )

    def acknowledge(self, actor: Actor, note: str = "") -> bool:
        """Take an open failure off the list of what needs a person. False if it was not open.

        Raises ItemNotFound when it was deleted meanwhile.
        """
        with transaction.atomic():
            opened = type(self).objects.filter(pk=self.pk, triage=Triage.OPEN)
            updated = opened.update(
                triage=Triage.ACKNOWLEDGED, triage_note=mask(note), changed_at=timezone.now()
            )
            if updated:
                Change.record(
                    actor,
                    Action.OPERATION_ACKNOWLEDGED,
                    operation=self,
                    before={"triage": Triage.OPEN},
                    after={"triage": Triage.ACKNOWLEDGED},
                    note=note,
                )
        try:
            self.refresh_from_db()
        except type(self).DoesNotExist:
            raise ItemNotFound("ConnectionOperation") from None
        return bool(updated)

    def remove(self, actor: Actor, *, only_if: Precondition = ALWAYS) -> None:
        """Delete it. Raises OperationInProgress while our worker has not finished it, ItemNotFound
        when it is gone already, PreconditionFailed when it is not what ``only_if`` names."""
        with transaction.atomic():
            # as the end of its retry does, which then locks this one
            ExternalConnection.objects.hold(self.connection_id)
            current = type(self).objects.select_for_update().filter(pk=self.pk).first()
            if current is None:
                raise ItemNotFound("ConnectionOperation")
            only_if.check(current.etag)
            if current.is_workers and not current.is_terminal:
                raise OperationInProgress(
                    f"Operation '{self.graph_id}' is run by the worker and is not finished. It "
                    "can be deleted when it is.",
                    operationId=self.graph_id,
                )
            current.connection = self.connection
            Change.record(
                actor, Action.OPERATION_DELETED, operation=current, before=current.snapshot()
            )
            current.delete()


def _as_it_was(**more: Any) -> models.QuerySet[ConnectionOperation]:
    key, old = (parameter(ConnectionOperation, name) for name in ("key=id", "old=status"))
    return ConnectionOperation.objects.filter(pk=key, status=old, **more)


def _failures_before() -> models.QuerySet[ConnectionOperation]:
    key, kind = (parameter(ConnectionOperation, name) for name in ("key=id", "kind"))
    connection = parameter(ConnectionOperation, "connection")
    failures = ConnectionOperation.objects.open_failures()
    return failures.filter(connection_id=connection, kind=kind, pk__lt=key)


_LOCKED = Prepared(
    lambda: ConnectionOperation.objects.select_for_update().filter(
        pk=parameter(ConnectionOperation, "key=id")
    )
)
_MOVED = Prepared(
    _as_it_was,
    parameters(
        ConnectionOperation,
        [*outcome_columns(OperationStatus.COMPLETED, None, None), "started_at", "changed_at"],
    ),
)
_BARE_FAILURE = Prepared(
    partial(_as_it_was, **{f"{column}__isnull": True for column in ERROR_COLUMNS.values()}),
    parameters(ConnectionOperation, [*error_columns(None), "changed_at"]),
)
_FAILURES_BEFORE = Prepared(_failures_before)
