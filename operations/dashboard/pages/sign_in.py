"""Signing in."""

from __future__ import annotations

import unicodedata

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse

from operations import metrics
from operations.dashboard.forms import SignInForm
from operations.dashboard.sessions import begin
from operations.middleware import client_address
from operations.models import FailedSignIn


class SignInView(LoginView):
    """A password is looked at when neither the account nor the address failed too often. An account
    that is not there is counted and answered like one that is."""

    http_method_names = ["get", "head", "post"]
    template_name = "dashboard/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        name = _name(request)
        if name and request.POST.get("password"):
            known = get_user_model().objects.filter(username=name).exists()
            address = client_address(request)
            wait = FailedSignIn.objects.attempt(name, address, name=name if known else "")
            if wait:
                metrics.count_sign_in_failure("page")
                return self._held_off(name, wait)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        FailedSignIn.objects.succeeded(_name(self.request), client_address(self.request))
        response = super().form_valid(form)  # type: ignore[arg-type]
        begin(self.request)
        return response

    def _held_off(self, name: str, wait: int) -> HttpResponse:
        form = SignInForm(self.request, initial={"username": name})
        context = self.get_context_data(form=form, wait=wait)
        response = self.render_to_response(context, status=429)
        response["Retry-After"] = str(wait)
        return response

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        metrics.count_sign_in_failure("page")
        FailedSignIn.objects.failed(_name(self.request), client_address(self.request))
        return super().form_invalid(form)  # type: ignore[arg-type]


def _name(request: HttpRequest) -> str:
    """As the form cleans it, so that one account is not counted under several names."""
    text = request.POST.get("username", "").replace("\0", "")  # with which the form refuses it
    return unicodedata.normalize("NFKC", text).strip()[:150]
