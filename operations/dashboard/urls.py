"""Where the pages are."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from operations.dashboard import actions, views

OPERATION = "connections/<str:connection_id>/operations/<str:operation_id>/"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("theme/", actions.choose_theme, name="theme"),
    path("connections/", views.connections, name="connections"),
    path("connections/<str:connection_id>/", views.connection, name="connection"),
    path("operations/", views.operations, name="operations"),
    path(OPERATION, views.operation, name="operation"),
    path(f"{OPERATION}retry/", actions.retry, name="retry"),
    path(f"{OPERATION}acknowledge/", actions.acknowledge, name="acknowledge"),
]
