"""What an administrator sends about an application."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.dashboard.presentation.applications import ROLE_MEANINGS
from operations.models import ROLES, Application

LIFETIMES = {
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
    "180": gettext_lazy("180 days"),
    "365": gettext_lazy("1 year"),
    "730": gettext_lazy("2 years"),
    "": gettext_lazy("It does not expire"),
}
DEFAULT_LIFETIME = "180"


class ApplicationForm(forms.Form):
    """Name and roles."""

    name = forms.CharField(
        max_length=120, error_messages={"required": gettext_lazy("An application needs a name.")}
    )
    roles = forms.MultipleChoiceField(required=False, choices=[(role, role) for role in ROLES])

    @property
    def role_choices(self) -> list[tuple[str, Any, bool]]:
        """Each role, what it allows, and whether it is chosen."""
        chosen = self["roles"].value() or []
        return [(role, ROLE_MEANINGS[role], role in chosen) for role in ROLES]


class NewApplicationForm(ApplicationForm):
    """With an id, it is another issuer's and gets no secret; else it gets its first secret."""

    foreign_app_id = forms.UUIDField(
        required=False,
        error_messages={"invalid": gettext_lazy("The id at the other issuer must be a GUID.")},
    )


class EditApplicationForm(ApplicationForm):
    enabled = forms.BooleanField(required=False)


class SecretForm(forms.Form):
    """For how many days it is good; empty for ever."""

    days = forms.ChoiceField(required=False, choices=list(LIFETIMES.items()))

    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class RevokeForm(forms.Form):
    """The application's name, typed to show that this one is meant."""

    name = forms.CharField(
        max_length=200,
        strip=True,
        error_messages={"required": gettext_lazy("Type the application's name.")},
    )

    def __init__(self, application: Application, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._application = application

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        if typed != self._application.name.strip():
            raise forms.ValidationError(
                _("This is not the name of the application. Nothing changed.")
            )
        return typed
