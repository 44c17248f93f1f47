"""What machines ask that look after this service. ``monitoring.middleware`` answers it."""

from django.urls import path

from operations.monitoring.exposition import metrics
from operations.monitoring.probes import healthz, readyz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
