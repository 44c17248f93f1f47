"""The Django admin: correcting data by hand, guarded by the rules that the API obeys.

Nothing is written here: every add, edit, delete and action calls the function that the API or the
dashboard calls, under channel ``admin``. What that function refuses is shown as a sentence.
"""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

# in the order in which the index lists them
from operations.admin import connections, operations, items, groups  # noqa: F401  # isort: skip
from operations.admin import outcome_rules  # noqa: F401  # isort: skip
from operations.admin import applications, records  # noqa: F401  # isort: skip

admin.site.site_header = admin.site.site_title = "Connectors Admin"
admin.site.index_title = _("Data")
