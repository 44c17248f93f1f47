"""The forms of the pages: sign-in, acknowledging, the theme."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from operations.dashboard.context import THEMES

NOTE_LENGTH = 2000


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


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(theme, theme) for theme in THEMES])
