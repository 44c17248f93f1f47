"""ExternalConnection: a container for content, its owner, and who else may manage it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Length, Lower
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from operations.errors import (
    ConnectionBeingDeleted,
    Fault,
    InvalidRequest,
    InvalidStateTransition,
    ItemNotFound,
    NameAlreadyExists,
)
from operations.models.change import Action, Actor, Change
from operations.models.enums import ConnectionState, ContentCategory
from operations.models.moves import same_json
from operations.models.prepared import Prepared, parameter
from operations.models.races import once_more
from operations.preconditions import ALWAYS, Precondition, weak_tag

if TYPE_CHECKING:
    from operations.models.schema import Schema


class Limit(models.TextChoices):
    """The limits of items that are counted. Empty in their place: a state set by hand."""

    CONNECTION = "connection", "items of the connection"
    ALL = "all", "items of all connections"


MAX_NAME = 128
MAX_CONNECTOR_ID = 128
CONNECTION_ID = re.compile(r"[A-Za-z0-9]{3,32}")
RESERVED_IDS = frozenset(
    name.lower()
    for name in (
        "None Directory Exchange ExchangeArchive LinkedIn Mailbox OneDriveBusiness SharePoint "
        "Teams Yammer Connectors TaskFabric PowerBI Assistant TopicEngine MSFT_All_Connectors"
    ).split()
)


def connection_id_fault(graph_id: str) -> Fault | None:
    """What is wrong with a connection id, or None. Rules: Graph's create page and resource page."""
    if not CONNECTION_ID.fullmatch(graph_id):
        return Fault(
            "InvalidIdentifier",
            "Property 'id' must be 3 to 32 characters, letters A-Z a-z and digits only.",
            "id",
        )
    lowered = graph_id.lower()
    if lowered in RESERVED_IDS or lowered.startswith("microsoft"):
        return Fault(
            "ReservedIdentifier",
            f"Property 'id' must not be '{graph_id}': this id is reserved, and so is every id "
            "that begins with Microsoft.",
            "id",
        )
    return None


def validate_connection_id(graph_id: str) -> None:
    """The same rule as a model validator, for the admin."""
    fault = connection_id_fault(graph_id)
    if fault:
        raise ValidationError(fault.message, code=fault.code)


class ExternalConnectionQuerySet(models.QuerySet["ExternalConnection"]):
    def alive(self) -> ExternalConnectionQuerySet:
        """Without those that are being deleted: what the API can see."""
        return self.filter(deleting_since=None)

    def deleting(self) -> ExternalConnectionQuerySet:
        """Those whose deletion has not ended."""
        return self.filter(deleting_since__isnull=False)

    def next_deleting(self, after: int = 0, but_not: Collection[int] = ()) -> int | None:
        """The key of the one whose purge has its turn after that one; those with these keys are
        left out."""
        waiting = self.deleting().exclude(pk__in=but_not)
        turn = models.Case(models.When(pk__gt=after, then=0), default=1)
        return waiting.order_by(turn, "pk").values_list("pk", flat=True).first()

    def hold(self, key: int, *, shared: bool = False) -> bool:
        """Lock a connection before anything below it, in the order in which a deletion locks.
        Returns whether it is there and is not being deleted.

        Whoever ends an operation counts it below the connection; without this, one that locks the
        operation first and a deletion would wait for each other. A ``shared`` lock, for those who
        only write below it, lets in the mark of a deletion, so that none begins after it, and keeps
        out the deletion of the row. Nothing is locked on SQLite, whose transactions take turns.
        """
        found = (_SHARED if shared else _HELD).tuples(key=key)
        return bool(found and found[0][0])

    @once_more
    def register(
        self,
        actor: Actor,
        *,
        graph_id: str,
        name: str,
        description: str | None = None,
        authorized_app_ids: Sequence[UUID] = (),
        **settings: Any,
    ) -> ExternalConnection:
        """Create a connection in state draft, owned by the actor's application.

        Raises InvalidRequest for an id that breaks the rules, NameAlreadyExists when the id is
        taken (in any case of letters), ConnectionBeingDeleted while its last owner is purged.
        """
        if fault := connection_id_fault(graph_id):
            raise InvalidRequest([fault])
        try:
            with transaction.atomic():
                connection = self.create(
                    graph_id=graph_id,
                    name=name,
                    description=description,
                    owner_app_id=actor.app_id,
                    **settings,
                )
                connection._authorize(authorized_app_ids)
                Change.record(
                    actor,
                    Action.CONNECTION_CREATED,
                    connection=connection,
                    after=connection.snapshot(),
                )
        except IntegrityError:
            taken = self.filter(lookup_id=graph_id.lower()).first()
            if taken is None:
                raise
            if taken.deleting_since:
                raise ConnectionBeingDeleted(
                    f"A connection with the id '{taken.graph_id}' is still being deleted. The id "
                    "is free again when its deletion ends.",
                    target="id",
                ) from None
            raise NameAlreadyExists(
                f"A connection with the id '{taken.graph_id}' already exists.", target="id"
            ) from None
        return connection


class ExternalConnection(models.Model):
    """``microsoft.graph.externalConnectors.externalConnection``: a row per incarnation of an id."""

    graph_id = models.CharField("id", max_length=32, validators=[validate_connection_id])
    lookup_id = models.GeneratedField(
        expression=Lower("graph_id"),
        output_field=models.CharField(max_length=32),
        db_persist=True,
        unique=True,
        error_messages={"unique": "A connection with this id already exists."},
    )
    name = models.CharField(max_length=MAX_NAME)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - Graph tells null from ""
    state = models.SmallIntegerField(choices=ConnectionState, default=ConnectionState.DRAFT)
    owner_app_id = models.UUIDField("owner application", null=True, blank=True, db_index=True)
    # configuration is an open type: its undeclared members
    open_configuration = models.JSONField("other members", default=dict, blank=True)
    activity_settings = models.JSONField(null=True, blank=True)
    search_settings = models.JSONField(null=True, blank=True)
    compliance_settings = models.JSONField(null=True, blank=True)
    enabled_content_experiences = models.CharField(max_length=100, blank=True)
    connector_id = models.CharField(max_length=MAX_CONNECTOR_ID, blank=True)
    content_category = models.SmallIntegerField(
        choices=ContentCategory, default=ContentCategory.UNCATEGORIZED
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(auto_now=True)
    deleting_since = models.DateTimeField(null=True, blank=True, editable=False)
    # how many items there were then, for its progress
    deleting_items = models.BigIntegerField(null=True, blank=True, editable=False)
    # the limit that has brought it into state limitExceeded, and that takes it out again
    limited_by = models.CharField(
        max_length=12, choices=Limit, blank=True, editable=False, default="", db_default=""
    )

    objects = ExternalConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=ConnectionState.values),
                name="connection_state_known",
                violation_error_message="State must be one of Graph's connection states.",
            ),
            models.CheckConstraint(
                condition=models.Q(content_category__in=ContentCategory.values),
                name="connection_content_category_known",
                violation_error_message="Content category must be one of Graph's.",
            ),
            models.CheckConstraint(
                condition=models.Q(graph_id__regex=rf"^{CONNECTION_ID.pattern}\Z"),
                name="connection_id_form",
                violation_error_message="The id must be 3 to 32 letters or digits.",
            ),
            models.CheckConstraint(
                condition=~models.Q(lookup_id__in=sorted(RESERVED_IDS))
                & ~models.Q(lookup_id__startswith="microsoft"),
                name="connection_id_not_reserved",
                violation_error_message="This id is reserved.",
            ),
            models.CheckConstraint(
                condition=models.Q(LessThanOrEqual(Length("name"), MAX_NAME))
                & ~models.Q(name__regex=r"^\s*\Z"),
                name="connection_name_length",
                violation_error_message="The name must be 1 to 128 characters, not all blank.",
            ),
        ]
        indexes = [
            # the worker asks "is anything being deleted"; almost always nothing is
            models.Index(
                fields=["deleting_since"],
                name="connection_deleting",
                condition=models.Q(deleting_since__isnull=False),
            ),
            # those that a limit holds, for whoever looks whether it still does
            models.Index(
                fields=["limited_by"],
                name="connection_limited",
                condition=~models.Q(limited_by=""),
            ),
        ]

    def __str__(self) -> str:
        return self.graph_id

    @property
    def authorized_app_ids(self) -> list[UUID]:
        """The applications listed in ``configuration.authorizedAppIds``, in the order given."""
        return [row.app_id for row in self.authorized_apps.all()]

    @property
    def schema_in_force(self) -> Schema | None:
        """The latest registered version, None before the first."""
        return self.schemas.order_by("-version").first()

    @property
    def etag(self) -> str:
        """The weak tag of the connection as it is now."""
        return weak_tag(self.pk, self.state, self.changed_at)

    def snapshot(self) -> dict[str, Any]:
        """What a Change keeps of a connection: the members that someone can set, and the state."""
        return {
            "name": self.name,
            "description": self.description,
            "state": ConnectionState(self.state).word,
            "ownerAppId": str(self.owner_app_id) if self.owner_app_id else None,
            "authorizedAppIds": [str(app_id) for app_id in self.authorized_app_ids],
            "openConfiguration": self.open_configuration,
            "activitySettings": self.activity_settings,
            "searchSettings": self.search_settings,
            "complianceSettings": self.compliance_settings,
            "enabledContentExperiences": self.enabled_content_experiences,
            "connectorId": self.connector_id,
            "contentCategory": ContentCategory(self.content_category).word,
        }

    def revise(
        self,
        actor: Actor,
        *,
        authorized_app_ids: Sequence[UUID] | None = None,
        only_if: Precondition = ALWAYS,
        **values: Any,
    ) -> bool:
        """Set the members given, leave the others. Returns whether anything changed.

        Raises InvalidStateTransition for an obsolete connection (graph-contract 2.3: it can only
        be read and deleted), unless ``state`` takes it out of that state, which only an
        administrator does; ItemNotFound when it was deleted meanwhile; PreconditionFailed when it
        is not what ``only_if`` names.
        """
        with transaction.atomic():
            alive = type(self).objects.alive().select_for_update(no_key=True)
            current = alive.filter(pk=self.pk).first()
            if current is None:
                raise ItemNotFound("Connection")
            only_if.check(current.etag)
            stays = values.get("state", current.state) == ConnectionState.OBSOLETE
            if current.state == ConnectionState.OBSOLETE and stays:
                raise InvalidStateTransition(
                    f"Connection '{self.graph_id}' is obsolete. In this state it can only be "
                    "read and deleted.",
                    target="state",
                    state="obsolete",
                )
            before = current.snapshot()
            if "state" in values:
                values["limited_by"] = ""  # by hand: no count takes it out of it
            for field, value in values.items():
                setattr(current, field, value)
            if authorized_app_ids is not None:
                current._authorize(authorized_app_ids)
            after = current.snapshot()
            changed = {key for key in after if not same_json(before[key], after[key])}
            if changed:
                current.save(update_fields=[*values, "changed_at"])
                Change.record(
                    actor,
                    Action.CONNECTION_UPDATED,
                    connection=current,
                    before={key: before[key] for key in sorted(changed)},
                    after={key: after[key] for key in sorted(changed)},
                )
            # still under the lock: what is answered, and its tag, are what this call has made
            self.refresh_from_db()
        return bool(changed)

    def _authorize(self, app_ids: Sequence[UUID]) -> None:
        """Make the list of authorized applications exactly this one."""
        wanted = list(dict.fromkeys(app_ids))
        if wanted == self.authorized_app_ids:
            return
        self.authorized_apps.all().delete()
        AuthorizedApp.objects.bulk_create(
            AuthorizedApp(connection=self, app_id=app_id) for app_id in wanted
        )


class AuthorizedApp(models.Model):
    """One entry of ``configuration.authorizedAppIds``: may manage the connection like its owner."""

    connection = models.ForeignKey(
        ExternalConnection, on_delete=models.CASCADE, related_name="authorized_apps"
    )
    app_id = models.UUIDField("application id")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "app_id"],
                name="authorized_app_once",
                violation_error_message="An application is authorized once per connection.",
            ),
        ]
        indexes = [
            # "which connections may this application manage"
            models.Index(fields=["app_id", "connection"], name="authorized_by_app"),
        ]

    def __str__(self) -> str:
        return str(self.app_id)


def alive_or_not(*more: Any) -> models.QuerySet[ExternalConnection, Any]:
    """Of the connection with a key that is a Parameter, whether it is not being deleted."""
    found = ExternalConnection.objects.filter(pk=parameter(ExternalConnection, "key=id")).order_by()
    alive = models.ExpressionWrapper(
        models.Q(deleting_since=None), output_field=models.BooleanField()
    )
    return found.values_list(alive, *more)


_HELD = Prepared(lambda: alive_or_not().select_for_update(no_key=True))
_SHARED = Prepared(alive_or_not, key_share=True)
