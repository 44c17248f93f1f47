"""Where everything is served. The Graph surface, its token endpoint, the admin, the pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("operations.dashboard.urls")),
]
