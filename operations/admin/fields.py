"""Form fields for what a text box cannot hold by itself: JSON documents and lists of ids."""

from __future__ import annotations

import json
import math
import uuid
from typing import Any, NoReturn

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from operations.errors import InvalidRequest
from operations.public_error import parse_public_error


def pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


class JsonObjectField(forms.JSONField):
    """One JSON object, shown indented. What is not JSON, or what a database cannot hold, is a
    form error that says so."""

    widget = AdminTextareaWidget
    default_error_messages = {
        "invalid": "Enter valid JSON.",
        "not_object": 'Enter a JSON object: {"member": "value", …}.',
        "too_deep": f"The JSON is nested deeper than {settings.MAX_BODY_DEPTH} levels.",
        "not_storable": "The JSON has a text or a number that cannot be stored: a NUL character, "
        "half a surrogate pair, or a number out of range.",
    }

    def __init__(self, **kwargs: Any):
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            value = self._read(value)
        elif isinstance(value, str):
            value = None
        if value is not None:
            self._check(value)
        return value

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is typed is shown again as it was typed, right or wrong."""
        return initial if self.disabled else InvalidJSONInput(data or "")

    def prepare_value(self, value: Any) -> str:
        if value is None:
            return ""
        return value if isinstance(value, InvalidJSONInput) else pretty(value)

    def _read(self, text: str) -> Any:
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except RecursionError:
            raise self._error("too_deep") from None
        except ValueError:  # also for a number with thousands of digits
            raise self._error("invalid") from None

    def _check(self, document: Any) -> None:
        if not isinstance(document, dict):
            raise self._error("not_object")
        pending: list[tuple[Any, int]] = [(document, 1)]
        while pending:
            value, depth = pending.pop()
            if isinstance(value, dict | list):
                if depth > settings.MAX_BODY_DEPTH:
                    raise self._error("too_deep")
                members = [*value, *value.values()] if isinstance(value, dict) else value
                pending += [(member, depth + 1) for member in members]
            elif not _can_be_stored(value):
                raise self._error("not_storable")

    def _error(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)


class PublicErrorField(JsonObjectField):
    """The error of an operation: one publicError with every rule of ``operations.public_error``."""

    def __init__(self, **kwargs: Any):
        kwargs.setdefault(
            "help_text",
            'A publicError: {"code": "…", "message": "…", "target": "…", "details": [{"code": '
            '"…", "message": "…"}], "innerError": {…}}, at least one of them. Only with status '
            "failed. It can be added once to a failure that has none; after that it is final.",
        )
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        document = super().to_python(value)
        if document is None:
            return None
        try:
            return parse_public_error(document)
        except InvalidRequest as refusal:
            raise ValidationError([fault.message for fault in refusal.details]) from None


class LinesField(forms.CharField):
    """Text of several lines, kept as it is; browsers send line ends that differ from ours."""

    widget = AdminTextareaWidget

    def __init__(self, **kwargs: Any):
        super().__init__(required=False, strip=False, **kwargs)

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class AppIdsField(forms.CharField):
    """A list of application ids, one a line."""

    widget = AdminTextareaWidget

    def __init__(self, **kwargs: Any):
        super().__init__(required=False, **kwargs)

    def to_python(self, value: Any) -> list[uuid.UUID]:  # type: ignore[override]
        app_ids, wrong = [], []
        for line in (super().to_python(value) or "").split():
            try:
                if len(line) != 36:  # UUID() takes other spellings, Graph does not
                    raise ValueError
                app_ids.append(uuid.UUID(line))
            except ValueError:
                wrong.append(line)
        if wrong:
            raise ValidationError(
                [f"'{line[:60]}' is not an application (client) id, a GUID." for line in wrong]
            )
        return list(dict.fromkeys(app_ids))

    def run_validators(self, value: Any) -> None:
        """The validators of text were of the text; the ids have been read."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _can_be_stored(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        try:
            return b"\x00" not in value.encode()
        except UnicodeEncodeError:
            return False
    return True
