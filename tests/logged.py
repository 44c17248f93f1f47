"""What the console prints of a log record, as it is configured."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable


def printed(records: Iterable[logging.LogRecord]) -> str:
    (console,) = (
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
    )
    lines = []
    for record in records:
        shown = copy.copy(record)
        if console.filter(shown):
            lines.append(console.format(shown))
    return "\n".join(lines)
