"""ExternalGroup: who belongs to what in another system, for the access lists of items."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from operations.item_rules import ACTIVITY_TYPES, IDENTITY_TYPES, MAX_ITEM_ID
from operations.models.connection import ExternalConnection
from operations.models.enums import GraphEnum
from operations.models.item import ExternalItem
from operations.models.texts import CodePointField
from operations.preconditions import weak_tag


class IdentityType(GraphEnum):
    """``microsoft.graph.externalConnectors.identityType``."""

    USER = IDENTITY_TYPES["user"], "user"
    GROUP = IDENTITY_TYPES["group"], "group"
    EXTERNAL_GROUP = IDENTITY_TYPES["externalGroup"], "externalGroup"


class ActivityType(GraphEnum):
    """``microsoft.graph.externalConnectors.externalActivityType``."""

    VIEWED = ACTIVITY_TYPES["viewed"], "viewed"
    MODIFIED = ACTIVITY_TYPES["modified"], "modified"
    CREATED = ACTIVITY_TYPES["created"], "created"
    COMMENTED = ACTIVITY_TYPES["commented"], "commented"


class ExternalGroup(models.Model):
    """``microsoft.graph.externalConnectors.externalGroup``. Access lists may name one that is not
    there yet."""

    connection = models.ForeignKey(
        ExternalConnection, on_delete=models.CASCADE, related_name="groups", db_index=False
    )
    graph_id = CodePointField("id", max_length=MAX_ITEM_ID)
    display_name = models.TextField(null=True, blank=True)  # noqa: DJ001 - Graph tells null from ""
    description = models.TextField(null=True, blank=True)  # noqa: DJ001
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "graph_id"],
                name="group_id_once_per_connection",
                violation_error_message="This connection has a group with this id already.",
            ),
            models.CheckConstraint(
                condition=~models.Q(graph_id__in=["", ".", ".."]),
                name="group_id_form",
                violation_error_message="The id must be 1 to 128 characters, not . or ...",
            ),
        ]
        indexes = [
            models.Index(fields=["connection", "id"], name="group_by_connection"),
        ]

    def __str__(self) -> str:
        return self.graph_id

    @property
    def etag(self) -> str:
        """The weak tag of the group as it is now; members have none to do with it."""
        return weak_tag(self.pk, 0, self.changed_at)

    def snapshot(self) -> dict[str, Any]:
        """What a Change keeps of a group."""
        return {"displayName": self.display_name, "description": self.description}

    def graph(self) -> dict[str, Any]:
        """The group as Graph shows it, without its members."""
        return {"id": self.graph_id, **self.snapshot()}


class GroupMember(models.Model):
    """``microsoft.graph.externalConnectors.identity`` as a member of a group. One of type
    ``externalGroup`` is a group of the same connection, which may not be there, and may lead back
    to this one."""

    group = models.ForeignKey(
        ExternalGroup, on_delete=models.CASCADE, related_name="members", db_index=False
    )
    graph_id = CodePointField("id", max_length=MAX_ITEM_ID)
    kind = models.SmallIntegerField("type", choices=IdentityType)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "graph_id"],
                name="member_once_per_group",
                violation_error_message="This group has a member with this id already.",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=IdentityType.values),
                name="member_type_known",
                violation_error_message="The type must be user, group or externalGroup.",
            ),
            models.CheckConstraint(
                condition=~models.Q(graph_id__in=["", ".", ".."]),
                name="member_id_form",
                violation_error_message="The id must be 1 to 128 characters, not . or ...",
            ),
        ]
        indexes = [
            models.Index(fields=["group", "id"], name="member_by_group"),
        ]

    def __str__(self) -> str:
        return self.graph_id

    def graph(self) -> dict[str, Any]:
        """The identity as Graph shows it."""
        return {"id": self.graph_id, "type": IdentityType.word_of(self.kind)}


class ExternalActivity(models.Model):
    """``microsoft.graph.externalConnectors.externalActivity``: what somebody did with an item in
    the other system. Written only; Graph shows none."""

    item = models.ForeignKey(
        ExternalItem, on_delete=models.CASCADE, related_name="activities", db_index=False
    )
    kind = models.SmallIntegerField("type", choices=ActivityType)
    started_at = models.DateTimeField()
    performed_by = models.CharField(max_length=MAX_ITEM_ID)
    performed_by_kind = models.SmallIntegerField(choices=IdentityType)
    received_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=ActivityType.values),
                name="activity_type_known",
            ),
        ]
        indexes = [
            # an item's, newest first
            models.Index(fields=["item", "-id"], name="activity_by_item"),
        ]

    def __str__(self) -> str:
        return f"{ActivityType.word_of(self.kind)} by {self.performed_by}"
