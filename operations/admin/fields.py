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
from django.utils.translation import gettext_lazy as _

from operations.admin.cells import pretty
from operations.errors import InvalidRequest
from operations.models import GraphEnum
from operations.models.json_text import as_text
from operations.public_error import parse_public_error

SHOWN_OF_A_NAME = 60


def settable(enum: type[GraphEnum], current: int | None) -> list[tuple[int, str]]:
    """The choices of an enumeration: without the sentinel, unless that is what is stored."""
    return [
        (member.value, member.word)
        for member in enum
        if member.word != "unknownFutureValue" or member.value == current
    ]


class JsonWidget(AdminTextareaWidget):
    """Monospace, wraps, as high as its text."""

    def __init__(self) -> None:
        super().__init__(attrs={"class": "vLargeTextField json", "spellcheck": "false"})


class JsonObjectField(forms.JSONField):
    """One JSON object, shown indented. What is not JSON, or what a database cannot hold, is a
    form error that names the place or the member."""

    widget = JsonWidget
    kind: type = dict
    default_error_messages = {
        "invalid": _("This is not JSON: %(cause)s at line %(line)s, column %(column)s."),
        "constant": _("This is not JSON: %(name)s is no number of JSON."),
        "digits": _("A number has more digits than can be read."),
        "twice": _("Member '%(name)s' stands twice."),
        "kind": _('Enter a JSON object: {"member": "value", …}.'),
        "too_deep": _("%(member)s is nested deeper than %(most)s levels."),
        "text": _("%(member)s has a NUL character or half a surrogate pair."),
        "number": _("%(member)s is a number out of range."),
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
            return json.loads(
                text, parse_constant=self._refuse_constant, object_pairs_hook=self._members_once
            )
        except RecursionError:
            self._refuse("too_deep", member=_member(""), most=settings.MAX_BODY_DEPTH)
        except json.JSONDecodeError as error:
            cause = error.msg.removesuffix(" at")
            self._refuse("invalid", cause=cause, line=error.lineno, column=error.colno)
        except ValueError:
            self._refuse("digits")

    def _refuse_constant(self, name: str) -> NoReturn:
        self._refuse("constant", name=name)

    def _members_once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The last one would win, and nobody would know."""
        members: dict[str, Any] = {}
        for name, value in pairs:
            if name in members:
                self._refuse("twice", name=_printable(name))
            members[name] = value
        return members

    def _check(self, document: Any) -> None:
        """Walk the document without recursion; its depth is the writer's to choose."""
        if not isinstance(document, self.kind):
            self._refuse("kind")
        pending: list[tuple[Any, int, str]] = [(document, 1, "")]
        while pending:
            value, depth, path = pending.pop()
            if isinstance(value, dict | list):
                if depth > settings.MAX_BODY_DEPTH:
                    self._refuse("too_deep", member=_member(path), most=settings.MAX_BODY_DEPTH)
                if isinstance(value, dict):
                    pending += [(name, depth, f"{path}/{name}") for name in value]
                members = value.items() if isinstance(value, dict) else enumerate(value)
                pending += [(each, depth + 1, f"{path}/{name}") for name, each in members]
            elif isinstance(value, float) and not math.isfinite(value):
                self._refuse("number", member=_member(path))
            elif isinstance(value, str) and not _can_be_stored(value):
                self._refuse("text", member=_member(path))

    def _refuse(self, code: str, **values: Any) -> NoReturn:
        raise ValidationError(self.error_messages[code], code=code, params=values)


class ExactJsonField(JsonObjectField):
    """A JSON object whose order, numbers and empty collections count as well."""

    empty_values = [None, ""]

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            typed = self.to_python(data)
        except ValidationError:
            return True
        return as_text(initial) != as_text(typed)


class JsonListField(ExactJsonField):
    """One JSON collection, as exact."""

    kind = list
    default_error_messages = {
        "kind": _('Enter a JSON collection: [{"member": "value", …}, …].'),
    }


class PublicErrorField(JsonObjectField):
    """The error of an operation: one publicError with every rule of ``operations.public_error``."""

    def __init__(self, **kwargs: Any):
        kwargs.setdefault(
            "help_text",
            _(
                'A publicError: {"code": "…", "message": "…", "target": "…", "details": [{"code": '
                '"…", "message": "…"}], "innerError": {…}}, at least one of them. Only with '
                "status failed. It can be added once to a failure that has none; after that it "
                "is final."
            ),
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
        return (super().to_python(value) or "").replace("\r\n", "\n").replace("\r", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """What is stored with other line ends is the same text to who edits it."""
        return super().has_changed(self.to_python(initial), data)


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
                [
                    _("'%(line)s' is not an application (client) id, a GUID.")
                    % {"line": line[:SHOWN_OF_A_NAME]}
                    for line in wrong
                ]
            )
        return list(dict.fromkeys(app_ids))

    def run_validators(self, value: Any) -> None:
        """The validators of text were of the text; the ids have been read."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


def _member(path: str) -> Any:
    return _("Member '%(path)s'") % {"path": _printable(path)} if path else _("The JSON")


def _printable(path: str) -> str:
    """The name of a member as a sentence can show it: short, without what cannot be printed."""
    shown = path[: SHOWN_OF_A_NAME + 1].strip("/").replace("\x00", "\\x00")
    return shown.encode(errors="backslashreplace").decode()


def _can_be_stored(text: str) -> bool:
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False
