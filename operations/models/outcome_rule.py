"""OutcomeRule: lets the next registrations fail, so that a team can rehearse a failure."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from operations.errors import InvalidRequest
from operations.models.connection import ExternalConnection
from operations.models.many import OneOf
from operations.models.prepared import Prepared
from operations.public_error import parse_public_error


def validate_public_error(document: object) -> None:
    """The rules of publicError as a model validator."""
    try:
        parse_public_error(document)
    except InvalidRequest as refusal:
        raise ValidationError([fault.message for fault in refusal.details]) from None


class OutcomeRule(models.Model):
    """The next ``remaining`` registrations (of one connection, or of any) fail with ``error``."""

    connection = models.ForeignKey(
        ExternalConnection,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="outcome_rules",
        help_text="Empty: the next registrations of any connection.",
    )
    remaining = models.PositiveIntegerField(
        default=1, help_text="How many more registrations fail."
    )
    error = models.JSONField(
        validators=[validate_public_error],
        help_text='A publicError, such as {"code": "QuotaExceeded", "message": "…"}.',
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"next {self.remaining} of {self.connection or 'any connection'} fail"

    @classmethod
    def consume(cls, connections: Collection[int]) -> dict[int, dict]:
        """The error that the next registration shall fail with, of those of these connections for
        which there is one: by key of the connection.

        A rule for the connection comes before one for all. Call it in the transaction that ends
        the operations, so that a rule is used up exactly when a failure was written.
        """
        rules = _RULES_FOR.rows(connections=connections)
        errors = {}
        for key in connections if rules else ():
            for rule in rules:
                if rule.connection_id not in (key, None):
                    continue
                still_there = cls.objects.filter(pk=rule.pk, remaining__gt=0)
                if still_there.update(remaining=F("remaining") - 1):
                    errors[key] = parse_public_error(rule.error)
                    break
        return errors


def _rules_for() -> models.QuerySet[OutcomeRule]:
    of_connections = Q(OneOf("connection_id", "connections"))
    rules = OutcomeRule.objects.filter(of_connections | Q(connection=None), remaining__gt=0)
    return rules.order_by(F("connection").asc(nulls_last=True), "id")


_RULES_FOR = Prepared(_rules_for)
