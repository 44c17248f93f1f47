"""ExternalItem: one piece of content, who may read it, and what its properties are."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from operations.item_rules import CONTENT_TYPES, MAX_ITEM_ID
from operations.models.change import Actor
from operations.models.connection import ExternalConnection
from operations.models.enums import GraphEnum
from operations.models.item_row import LABEL, ItemMembers
from operations.models.json_text import JSONTextField, as_text
from operations.models.texts import CodePointField, Octets


class ContentType(GraphEnum):
    """``microsoft.graph.externalConnectors.externalItemContentType``."""

    TEXT = CONTENT_TYPES["text"], "text"
    HTML = CONTENT_TYPES["html"], "html"


class ExternalItem(ItemMembers, models.Model):
    """``microsoft.graph.externalConnectors.externalItem``.

    Members are kept as the JSON that was sent, so that they come back without loss. Items are
    written a million times: each is its own last record (who, when, under which request), and only
    what is done by hand has a Change.
    """

    connection = models.ForeignKey(
        ExternalConnection, on_delete=models.CASCADE, related_name="items", db_index=False
    )
    graph_id = CodePointField("id", max_length=MAX_ITEM_ID)
    content_type = models.SmallIntegerField(choices=ContentType, null=True, blank=True)
    size = models.PositiveIntegerField("size in bytes", editable=False)
    version = models.PositiveBigIntegerField("times written", default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_by = models.CharField(max_length=200, blank=True, editable=False)
    changed_by_app_id = models.UUIDField(null=True, blank=True, editable=False)
    request_id = models.CharField(max_length=64, blank=True, editable=False)
    # last, for SQLite reads all that stands before what it is asked for
    acl = JSONTextField("access control list")
    properties = JSONTextField()
    # null: the content has no value; "" is one
    content_value = models.TextField("content", null=True, blank=True)  # noqa: DJ001
    label = JSONTextField("information protection label", null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "graph_id"],
                name="item_id_once_per_connection",
                violation_error_message="This connection has an item with this id already.",
            ),
            models.CheckConstraint(
                condition=~models.Q(graph_id__in=["", ".", ".."]),
                name="item_id_form",
                violation_error_message="The id must be 1 to 128 characters, not . or ...",
            ),
            models.CheckConstraint(
                condition=models.Q(content_type__in=ContentType.values)
                | models.Q(content_type=None, content_value=None),
                name="item_content_type_known",
                violation_error_message="The type of the content must be text or html.",
            ),
        ]
        indexes = [
            # a connection's items in the order in which they came
            models.Index(fields=["connection", "id"], name="item_by_connection"),
        ]

    def __str__(self) -> str:
        return self.graph_id


def columns_of(values: dict[str, Any]) -> dict[str, Any]:
    """The columns of these members of an item (``item_rules.read_item``)."""
    columns: dict[str, Any] = {}
    for member in ("acl", "properties"):
        if member in values:
            columns[member] = as_text(values[member])
    if LABEL in values:
        label = values[LABEL]
        columns["label"] = None if label is None else as_text(label)
    if "content" in values:
        content = values["content"]
        columns["content_type"] = CONTENT_TYPES[content["type"]] if content else None
        columns["content_value"] = content["value"] if content else None
    return columns


def size_of(columns: dict[str, Any]) -> int:
    """Bytes that the texts of an item take."""
    texts = (columns[name] for name in ("acl", "properties", "content_value", "label"))
    return sum(len(text.encode()) for text in texts if text)


def has_short(column: str, most: int) -> models.Q:
    """Items with no more than so many bytes in this text. It is measured only where the size of the
    whole item leaves that open."""
    return models.Q(size__lte=most) | models.Q(LessThanOrEqual(Octets(column), most))


def written_by(actor: Actor) -> dict[str, Any]:
    """The columns that say who wrote an item last."""
    return {
        "changed_by": actor.name[:200],
        "changed_by_app_id": actor.app_id,
        "request_id": actor.request_id[:64],
    }
