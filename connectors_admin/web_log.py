"""What the web server says of itself, in the form and with the facts of every other line."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from connectors_admin.env import choice
from operations.logs import FORMATS, formatter


class WebLog(Logger):
    """gunicorn's own logger, whose lines are ours."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter(choice("LOG_FORMAT", FORMATS, "line")))
