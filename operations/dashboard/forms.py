"""The forms of the pages: sign-in, actions on one or many operations, the theme."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from operations.dashboard.context import THEMES
from operations.public_error import MAX_CODE

NOTE_LENGTH = 2000
MESSAGE_LENGTH = 4000
LARGEST_KEY = 2**63 - 1


class SignInForm(AuthenticationForm):
    """Django's own check, with our sentences."""

    error_messages = {
        "invalid_login": _(
            "User name and password do not match. Both tell capital from small letters."
        ),
        "inactive": _("This account is switched off. An administrator can switch it on again."),
    }


class AcknowledgeForm(forms.Form):
    note = forms.CharField(required=False, max_length=NOTE_LENGTH)


class ReasonForm(forms.Form):
    """Why somebody sets an outcome by hand, or acts on many: for the history, not for callers."""

    reason = forms.CharField(
        max_length=NOTE_LENGTH,
        error_messages={
            "required": _("Say why: it is kept in the history of each operation."),
            "max_length": _("A reason has at most %(limit_value)d characters."),
        },
    )

    def error(self) -> dict[str, str] | None:
        """The publicError that operations get, None for none."""
        return None


class FailForm(ReasonForm):
    """Also what callers shall read."""

    code = forms.CharField(
        required=False,
        max_length=MAX_CODE,
        error_messages={"max_length": _("A code has at most %(limit_value)d characters.")},
    )
    message = forms.CharField(
        max_length=MESSAGE_LENGTH,
        error_messages={
            "required": _("Say what went wrong: callers read it as the error of the operation."),
            "max_length": _("A message has at most %(limit_value)d characters."),
        },
    )

    field_order = ("message", "code", "reason")

    def error(self) -> dict[str, str]:
        members = {member: self.cleaned_data[member] for member in ("code", "message")}
        return {member: text for member, text in members.items() if text}


class RunForm(ReasonForm):
    """An action on many. ``last_key`` is the newest operation that there was when it was asked."""

    run_id = forms.UUIDField()
    last_key = forms.IntegerField(min_value=0, max_value=LARGEST_KEY)

    def __init__(self, *args: Any, needs_reason: bool, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = needs_reason


class FailRunForm(FailForm, RunForm):
    pass


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(theme, theme) for theme in THEMES])
