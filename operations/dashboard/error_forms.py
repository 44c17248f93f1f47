"""What a person sends about a group of errors."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations import causes
from operations.dashboard.forms import NOTE_LENGTH

IGNORE_DAYS = {
    "1": gettext_lazy("1 day"),
    "7": gettext_lazy("7 days"),
    "30": gettext_lazy("30 days"),
}
LONGEST_IGNORE = 366  # days


class ResolveForm(forms.Form):
    note = forms.CharField(required=False, max_length=NOTE_LENGTH)


class IgnoreForm(forms.Form):
    """Until the beginning of a day, or for so many days; the day wins when both are given."""

    days = forms.ChoiceField(required=False, choices=list(IGNORE_DAYS.items()))
    until = forms.DateField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        now = timezone.now()
        until: datetime | None = None
        if day := cleaned.get("until"):
            if not 0 < (day - timezone.localdate()).days <= LONGEST_IGNORE:
                raise forms.ValidationError(
                    _("Choose a day between tomorrow and one year from now.")
                )
            until = timezone.make_aware(datetime.combine(day, time.min))
        elif cleaned.get("days"):
            until = now + timedelta(days=int(cleaned["days"]))
        elif not self.errors:
            raise forms.ValidationError(_("Choose for how long."))
        cleaned["moment"] = until
        return cleaned


class CauseForm(forms.Form):
    """The id of an entry of the catalogue; empty for the one that matches."""

    cause = forms.CharField(required=False, max_length=100)

    def clean_cause(self) -> str:
        cause: str = self.cleaned_data["cause"]
        if cause and causes.catalogue().by_id(cause) is None:
            raise forms.ValidationError(_("The catalogue has no cause with this id."))
        return cause
