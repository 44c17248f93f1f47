"""Signing in."""

from __future__ import annotations

from django.contrib.auth.views import LoginView

from operations.dashboard.forms import SignInForm


class SignInView(LoginView):
    http_method_names = ["get", "head", "post"]
    template_name = "dashboard/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
