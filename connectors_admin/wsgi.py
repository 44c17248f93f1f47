"""The WSGI application that the production web server runs."""

import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from connectors_admin.embedded import use

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")


def mounted(application: Any, sub_path: str) -> Any:
    """The application below a path, which a proxy may have taken away or passed on.

    ``operations.checks`` refuses a path that an address of ours begins with, so that it can be
    told which of the two the proxy did.
    """

    def below(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == sub_path or path.startswith(f"{sub_path}/"):
            environ["PATH_INFO"] = path[len(sub_path) :]
        environ["SCRIPT_NAME"] = sub_path
        return application(environ, start_response)

    return below


application = get_wsgi_application()
use()
if settings.SUB_PATH:
    application = mounted(application, settings.SUB_PATH)
