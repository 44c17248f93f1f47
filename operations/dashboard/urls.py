"""Where the pages are."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from operations.dashboard import actions
from operations.dashboard.pages.activity import activity, export_activity
from operations.dashboard.pages.applications import applications
from operations.dashboard.pages.connection import connection
from operations.dashboard.pages.connections import connections
from operations.dashboard.pages.errors import errors
from operations.dashboard.pages.event import event
from operations.dashboard.pages.operation import operation
from operations.dashboard.pages.operations import operations
from operations.dashboard.pages.overview import overview
from operations.dashboard.pages.settings import settings
from operations.dashboard.pages.sign_in import SignInView

OPERATION = "connections/<str:connection_id>/operations/<str:operation_id>/"

urlpatterns = [
    path("", overview, name="overview"),
    path("sign-in/", SignInView.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("theme/", actions.choose_theme, name="theme"),
    path("connections/", connections, name="connections"),
    path("connections/<str:connection_id>/", connection, name="connection"),
    path("operations/", operations, name="operations"),
    path("errors/", errors, name="errors"),
    path("applications/", applications, name="applications"),
    path("activity/", activity, name="activity"),
    path("activity/export.<str:form>", export_activity, name="activity-export"),
    path("activity/<int:key>/", event, name="event"),
    path("settings/", settings, name="settings"),
    path(OPERATION, operation, name="operation"),
    path(f"{OPERATION}retry/", actions.retry, name="retry"),
    path(f"{OPERATION}acknowledge/", actions.acknowledge, name="acknowledge"),
]
