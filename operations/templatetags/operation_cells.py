"""An operation in the cells of the admin's lists, in the words of the pages."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils import timezone

from operations.dashboard.presentation.numbers import exact_duration
from operations.dashboard.presentation.operations import OperationRow
from operations.models import ConnectionOperation

register = template.Library()


@register.simple_tag
def row_of(operation: ConnectionOperation) -> OperationRow:
    return OperationRow(operation, timezone.now())


@register.filter
def as_duration(seconds: float) -> str:
    """``5 min 12 s``."""
    return exact_duration(timedelta(seconds=seconds))
