"""Times as the pages print them: an age in lists, the exact moment with its zone in the title."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from operations.dashboard.presentation.numbers import age, due

register = template.Library()
EXACT = "j M Y, H:i:s T"


def exact_text(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), EXACT, use_l10n=False)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """``3 min ago``."""
    if moment is None:
        return ""
    return _time(moment, age(moment, timezone.now()))


@register.simple_tag(name="due")
def due_tag(moment: datetime | None) -> SafeString | str:
    """``in 3 days``."""
    if moment is None:
        return ""
    return _time(moment, due(moment, timezone.now()))


@register.simple_tag
def exactly(moment: datetime | None) -> SafeString | str:
    """``22 Nov 2026, 14:02:11 UTC``."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}">{}</time>', timezone.localtime(moment).isoformat(), exact_text(moment)
    )


def _time(moment: datetime, text: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        timezone.localtime(moment).isoformat(),
        exact_text(moment),
        text,
    )
