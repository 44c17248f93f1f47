"""The Django admin: correcting data by hand, guarded by the rules that the API obeys.

Nothing is written here: every add, edit, delete and action calls the function that the API or the
dashboard calls, under channel ``admin``. What that function refuses is shown as a sentence.
"""

from django.contrib import admin

from operations.admin import applications, connections, operations, records  # noqa: F401

admin.site.site_header = admin.site.site_title = "Connectors Admin"
admin.site.index_title = "Data"
