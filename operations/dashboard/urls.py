"""Where the pages are."""

from django.contrib.auth.views import LogoutView
from django.urls import path, re_path

from operations.dashboard import actions
from operations.dashboard.pages.activity import activity
from operations.dashboard.pages.application import (
    application,
    edit_application,
    new_application,
    new_secret,
    revoke_secret,
)
from operations.dashboard.pages.applications import applications
from operations.dashboard.pages.connection import connection, schema_json
from operations.dashboard.pages.connection_delete import delete_connection, delete_connections
from operations.dashboard.pages.connections import connections, export_connections
from operations.dashboard.pages.error import (
    change_cause,
    error,
    ignore_error,
    reopen_error,
    resolve_error,
)
from operations.dashboard.pages.errors import causes, errors, export_errors
from operations.dashboard.pages.operation import operation
from operations.dashboard.pages.operations import operations
from operations.dashboard.pages.overview import overview
from operations.dashboard.pages.settings import settings
from operations.dashboard.pages.sign_in import SignInView

APPLICATION = "applications/<str:app_id>/"
OPERATION = "connections/<str:connection_id>/operations/<str:operation_id>/"

urlpatterns = [
    path("", overview, name="overview"),
    path("sign-in/", SignInView.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("theme/", actions.choose_theme, name="theme"),
    path("connections/", connections, name="connections"),
    # no connection has such an id: there is a dot or a hyphen in it
    re_path(
        r"^connections/export\.(?P<kind>csv|jsonl)$", export_connections, name="export-connections"
    ),
    path("connections/delete-selected/", delete_connections, name="delete-connections"),
    path("connections/<str:connection_id>/", connection, name="connection"),
    path(
        "connections/<str:connection_id>/schema/<int:version>.json",
        schema_json,
        name="schema-json",
    ),
    path("connections/<str:connection_id>/delete/", delete_connection, name="delete-connection"),
    path("operations/", operations, name="operations"),
    path("errors/", errors, name="errors"),
    path("errors/export.<str:kind>", export_errors, name="export-errors"),
    path("errors/causes/", causes, name="causes"),
    path("errors/<str:fingerprint>/", error, name="error"),
    path("errors/<str:fingerprint>/resolve/", resolve_error, name="resolve-error"),
    path("errors/<str:fingerprint>/reopen/", reopen_error, name="reopen-error"),
    path("errors/<str:fingerprint>/ignore/", ignore_error, name="ignore-error"),
    path("errors/<str:fingerprint>/cause/", change_cause, name="change-cause"),
    path("applications/", applications, name="applications"),
    path("applications/new/", new_application, name="new-application"),
    path(APPLICATION, application, name="application"),
    path(f"{APPLICATION}edit/", edit_application, name="edit-application"),
    path(f"{APPLICATION}secrets/", new_secret, name="new-secret"),
    path(f"{APPLICATION}secrets/<str:key_id>/revoke/", revoke_secret, name="revoke-secret"),
    path("activity/", activity, name="activity"),
    path("settings/", settings, name="settings"),
    path(OPERATION, operation, name="operation"),
    path(f"{OPERATION}retry/", actions.retry, name="retry"),
    path(f"{OPERATION}acknowledge/", actions.acknowledge, name="acknowledge"),
]
