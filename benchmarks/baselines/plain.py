"""A plain Django view: one row by its key, and 100 of a connection. Default middleware."""

from __future__ import annotations

from django.conf import settings

from connectors_admin.settings import DATABASES

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES=DATABASES,
        SECRET_KEY="baseline",
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "benchmarks.baselines",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
    )

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

application = get_wsgi_application()

from benchmarks.baselines.models import Operation  # noqa: E402
from benchmarks.baselines.shape import shape  # noqa: E402


def operation(request: HttpRequest, key: int) -> JsonResponse:
    return JsonResponse(shape(Operation.objects.get(pk=key)))


def operations(request: HttpRequest, connection: int) -> JsonResponse:
    rows = Operation.objects.filter(connection_id=connection).order_by("-id")[:100]
    return JsonResponse({"value": [shape(row) for row in rows]})


urlpatterns = [
    path("operations/<int:key>", operation),
    path("connections/<int:connection>/operations", operations),
]
