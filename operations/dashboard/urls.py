"""Where the pages are."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from operations.dashboard import actions
from operations.dashboard.pages.activity import activity
from operations.dashboard.pages.applications import applications
from operations.dashboard.pages.connection import connection
from operations.dashboard.pages.connections import connections
from operations.dashboard.pages.errors import errors
from operations.dashboard.pages.operation import graph_file, operation
from operations.dashboard.pages.operation_export import operation_export
from operations.dashboard.pages.operations import operations
from operations.dashboard.pages.outcome import set_outcome
from operations.dashboard.pages.overview import overview
from operations.dashboard.pages.runs import ask_run, run
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
    path("operations/export.<str:form>", operation_export, name="operation-export"),
    path("runs/new/", ask_run, name="ask-run"),
    path("runs/<uuid:run_id>/", run, name="run"),
    path("runs/<uuid:run_id>/continue/", actions.continue_run, name="continue-run"),
    path("runs/<uuid:run_id>/stop/", actions.stop_run, name="stop-run"),
    path("errors/", errors, name="errors"),
    path("applications/", applications, name="applications"),
    path("activity/", activity, name="activity"),
    path("settings/", settings, name="settings"),
    path(OPERATION, operation, name="operation"),
    path(f"{OPERATION}retry/", actions.retry, name="retry"),
    path(f"{OPERATION}acknowledge/", actions.acknowledge, name="acknowledge"),
    path(f"{OPERATION}fail/", set_outcome, {"outcome": "failed"}, name="fail"),
    path(f"{OPERATION}complete/", set_outcome, {"outcome": "completed"}, name="complete"),
    path(f"{OPERATION}graph.json", graph_file, name="operation-json"),
]
