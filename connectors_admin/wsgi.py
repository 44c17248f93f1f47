"""The WSGI application that the production web server runs."""

import os

from django.core.wsgi import get_wsgi_application

from connectors_admin.embedded import use

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")
application = get_wsgi_application()
use()
