"""What stands many times in a page: times, badges, buttons that copy, small drawings of a row.

Of a time lists print the age, with the exact moment and its zone in the title. An ``include`` for
each of these would cost more than the rest of its row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.dateformat import DateFormat
from django.utils.dates import MONTHS_3
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from operations import marks
from operations.dashboard.presentation.numbers import age, due
from operations.dashboard.presentation.operations import Pace
from operations.item_rules import visible_id

register = template.Library()
register.filter("visible", visible_id)


@register.simple_tag
def badge(mark: marks.Mark) -> SafeString:
    """A status or state as every page shows it."""
    return marks.badge(mark)


@register.simple_tag
def copy(text: object, what: str) -> SafeString:
    """The button that copies this text; ``what`` it is stands in its title."""
    return format_html(_button(what, get_language()), text)


@lru_cache(maxsize=64)
def _button(what: str, _language: str | None) -> str:
    """With a place for the text."""
    return render_to_string("dashboard/_copy.html", {"text": "{0}", "what": what})


@register.simple_tag
def pace_bar(pace: Pace) -> SafeString:
    """How long it took beside the usual time."""
    return format_html(
        '<svg class="pace{slow}" width="{width}" height="8" viewBox="0 0 {width} 8"'
        ' aria-hidden="true" focusable="false">'
        '<rect class="pace-ground" y="2" width="{width}" height="4" rx="2"/>'
        '<rect class="pace-bar" y="2" width="{length}" height="4" rx="2"/>'
        '<path class="pace-usual" d="M{mark}.5 0v8"/></svg>'
        '<span class="sub nowrap">{text}</span>',
        slow=" pace-slow" if pace.is_slow else "",
        width=pace.width,
        length=pace.length,
        mark=pace.mark,
        text=pace.text,
    )


def exact_text(moment: datetime) -> str:
    return _exact(_local(moment))


def _local(moment: datetime) -> datetime:
    """In the zone of whoever reads; in UTC at the ends of time, which leave no room for another."""
    try:
        return timezone.localtime(moment)
    except OverflowError:
        return moment.astimezone(UTC)


def _exact(local: datetime) -> str:
    """As ``date_format`` has it with "j M Y, H:i:s T", which takes that text apart every time."""
    month = _month(local.month, get_language())
    return f"{local.day} {month} {local.year:04d}, {local:%H:%M:%S} {DateFormat(local).T()}"


@lru_cache(maxsize=256)
def _month(number: int, _language: str | None) -> str:
    return f"{MONTHS_3[number].title()}"


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
    local = _local(moment)
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), _exact(local))


def _time(moment: datetime, text: str) -> SafeString:
    local = _local(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', local.isoformat(), _exact(local), text
    )
