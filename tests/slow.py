"""``manage.py`` on a database that is slow: ``python -m tests.slow SECONDS run_operations``."""

from __future__ import annotations

import sys
import time
from typing import Any

import django
from django.core.management import execute_from_command_line
from django.db.backends.signals import connection_created

seconds = float(sys.argv[1])


def wait(execute: Any, *args: Any) -> Any:
    time.sleep(seconds)
    return execute(*args)


def slow_down(connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(wait)


if __name__ == "__main__":
    django.setup()
    connection_created.connect(slow_down)
    execute_from_command_line(["manage.py", *sys.argv[2:]])
