"""What stands many times in a page and is made once: badges, buttons, times."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.functional import lazy

from operations.marks import HEALTH_MARKS, OPERATION_MARKS, STATE_MARKS, Mark, badge
from operations.models import ConnectionState, OperationStatus
from operations.models.health import Health
from operations.templatetags.dashboard import exact_text


def shown(template: str, **values: object) -> str:
    return Template("{% load dashboard %}" + template).render(Context(values))


def test_a_badge_is_made_once_in_each_language():
    mark = Mark("sample", lazy(lambda: f"<{translation.get_language()}>", str)(), "ring")
    with translation.override("de"):
        german = badge(mark)
        assert badge(mark) is german
    with translation.override("fr"):
        french = badge(mark)
    assert "&lt;de&gt;" in german and "&lt;fr&gt;" in french
    assert shown("{% badge mark %}", mark=mark) == badge(mark)


def test_marks_that_say_the_same_have_their_own_badges():
    draft, unfinished = STATE_MARKS[ConnectionState.DRAFT], HEALTH_MARKS[Health.DRAFT]
    assert draft.value == unfinished.value and badge(draft) != badge(unfinished)
    assert 'title="Graph: failed"' in badge(OPERATION_MARKS[OperationStatus.FAILED])


def test_a_button_copies_the_text_that_it_is_for():
    for text in ("contosohr", "\"><script>&'", ""):
        button = shown('{% copy text "id" %}', text=text)
        partial = shown('{% include "dashboard/_copy.html" with what="id" %}', text=text)
        assert button == partial


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"])
@pytest.mark.parametrize("month", [3, 10, 12])
def test_an_exact_time_is_as_django_writes_it(zone, month):
    for hour in range(24):
        moment = datetime(2026, month, 25, hour, 30, 7, tzinfo=UTC)  # 25 October: one hour twice
        with timezone.override(ZoneInfo(zone)), translation.override("de"):
            local = timezone.localtime(moment)
            assert exact_text(moment) == date_format(local, "j M Y, H:i:s T", use_l10n=False)
