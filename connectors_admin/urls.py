"""Where everything is served. Probes, Graph surface, its token endpoint, the admin, the pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("operations.monitoring.urls")),
    path("", include("operations.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("operations.dashboard.urls")),
]

handler400 = "connectors_admin.error_views.bad_request"
handler403 = "connectors_admin.error_views.permission_denied"
handler404 = "connectors_admin.error_views.page_not_found"
handler500 = "connectors_admin.error_views.server_error"
