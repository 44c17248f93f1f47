"""JSON kept as the text that it is: a database's own kind of JSON sorts members and rounds."""

from __future__ import annotations

import json
from typing import Any

from django.db import models


def as_text(value: Any) -> str:
    """The one form in which it is kept: members in their order, no escapes that are not needed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class JSONTextField(models.TextField):
    """A JSON value that comes back as it went in: order, numbers and annotations."""

    empty_values = (None, "")  # an empty collection or object is a value

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else as_text(value)

    def to_python(self, value: Any) -> Any:
        return value
