#!/usr/bin/env python
"""Start Django's command line for connectors-admin."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(
            f"Settings: {error}"
        )  # the sentence says what to set; a traceback says nothing more
