"""Where the pages are."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from operations.dashboard import actions
from operations.dashboard.pages.activity import activity, export_activity
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
from operations.dashboard.pages.connections import connections, export_connections, with_selected
from operations.dashboard.pages.demo import load_demo
from operations.dashboard.pages.error import (
    change_cause,
    error,
    ignore_error,
    reopen_error,
    resolve_error,
)
from operations.dashboard.pages.errors import causes, errors, export_errors
from operations.dashboard.pages.event import event
from operations.dashboard.pages.group import group
from operations.dashboard.pages.item import item, item_file
from operations.dashboard.pages.operation import graph_file, operation
from operations.dashboard.pages.operation_export import export_operations
from operations.dashboard.pages.operations import operations
from operations.dashboard.pages.outcome import set_outcome
from operations.dashboard.pages.overview import overview
from operations.dashboard.pages.runs import ask_run, run
from operations.dashboard.pages.search import search
from operations.dashboard.pages.settings import save_preferences, settings
from operations.dashboard.pages.sign_in import SignInView

APPLICATION = "applications/<str:app_id>/"
ITEM = "connections/<str:connection_id>/items/<int:item_key>/"
OPERATION = "connections/<str:connection_id>/operations/<str:operation_id>/"

urlpatterns = [
    path("", overview, name="overview"),
    path("sign-in/", SignInView.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(http_method_names=["post"]), name="sign-out"),
    path("theme/", actions.choose_theme, name="theme"),
    path("demo/", load_demo, name="load-demo"),
    path("connections/", connections, name="connections"),
    # no connection has such an id: there is a dot or a hyphen in it
    path("connections/export.<str:kind>", export_connections, name="export-connections"),
    path("connections/with-selected/", with_selected, name="selected-connections"),
    path("connections/delete-selected/", delete_connections, name="delete-connections"),
    path("connections/<str:connection_id>/", connection, name="connection"),
    path(
        "connections/<str:connection_id>/schema/<int:version>.json",
        schema_json,
        name="schema-json",
    ),
    path(ITEM, item, name="item"),
    path(f"{ITEM}item.json", item_file, name="item-json"),
    path("connections/<str:connection_id>/groups/<int:group_key>/", group, name="group"),
    path("connections/<str:connection_id>/delete/", delete_connection, name="delete-connection"),
    path("operations/", operations, name="operations"),
    path("operations/export.<str:kind>", export_operations, name="export-operations"),
    path("runs/new/", ask_run, name="ask-run"),
    path("runs/<uuid:run_id>/", run, name="run"),
    path("runs/<uuid:run_id>/continue/", actions.continue_run, name="continue-run"),
    path("runs/<uuid:run_id>/stop/", actions.stop_run, name="stop-run"),
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
    path("activity/export.<str:kind>", export_activity, name="export-activity"),
    path("activity/<int:key>/", event, name="event"),
    path("search/", search, name="search"),
    path("settings/", settings, name="settings"),
    path("settings/preferences/", save_preferences, name="preferences"),
    path(OPERATION, operation, name="operation"),
    path(f"{OPERATION}retry/", actions.retry, name="retry"),
    path(f"{OPERATION}acknowledge/", actions.acknowledge, name="acknowledge"),
    path(f"{OPERATION}fail/", set_outcome, {"outcome": "failed"}, name="fail"),
    path(f"{OPERATION}complete/", set_outcome, {"outcome": "completed"}, name="complete"),
    path(f"{OPERATION}graph.json", graph_file, name="operation-json"),
]
