"""What the log says: each line with the facts that it is about, for people or for programs.

``about`` says what all lines inside are about, ``note`` adds what is found out on the way (whose
token it is, which operation was made). The web server and the worker use the same formatters. They
take nothing of Django's, for the web server's own process has none. What looks like a secret is
masked in every text.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from operations.masking import mask

#: What a line may tell besides time, level, logger, request id and message, in this order.
#: ``connection`` and ``operation`` are the ids that callers know.
FACTS = (
    "client_request_id",
    "batch_request_id",
    "method",
    "route",
    "status",
    "duration_ms",
    "application",
    "user",
    "connection",
    "operation",
    "worker",
)
FORMATS = ("line", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: Those that we make ourselves hold no secret of anybody's.
OURS = frozenset(("request_id", "route"))
#: No fact is longer: some of them are what a caller wrote.
LONGEST = 200

#: Ends a line or steers a terminal: C0 and C1 controls, line and paragraph separators, marks of
#: direction.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PLAIN = re.compile(r"[^\s\"=\\]+")
PLAINEST = re.compile(r"[\w.:/{}$-]+", re.ASCII)

_facts: ContextVar[dict[str, Any] | None] = ContextVar("facts", default=None)


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """What is logged inside is about this, besides what it is about already."""
    token = _facts.set({**(_facts.get() or {}), **facts})
    try:
        yield
    finally:
        _facts.reset(token)


def note(**facts: Any) -> None:
    """Lines from here to the end of the innermost ``about`` tell this as well."""
    current = _facts.get()
    if current is not None:
        current.update(facts)


def one_line(text: str) -> str:
    """The text with what could end or forge a line written as an escape."""
    return UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def formatter(name: str) -> logging.Formatter:
    """One of FORMATS."""
    return JsonFormatter() if name == "json" else LineFormatter()


class Formatter(logging.Formatter):
    """Gathers what a record tells."""

    def moment(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"

    def message(self, record: logging.LogRecord) -> str:
        try:
            return mask(record.getMessage())
        except Exception:  # logging would print the arguments as they are
            return f"{mask(str(record.msg))} (its arguments do not fit)"

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """The record's own (``extra``), then those of what is going on. Empty ones are left out.

        Masked before they are cut, for half a secret may not look like one.
        """
        about = _facts.get() or {}
        found = {}
        for name in ("request_id", *FACTS):
            value = record.__dict__.get(name, about.get(name))
            if value is not None and value != "":
                found[name] = _told(name, value)
        return found

    def stack(self, record: logging.LogRecord) -> str:
        texts = [self.formatException(record.exc_info)] if record.exc_info else []
        texts += [self.formatStack(record.stack_info)] if record.stack_info else []
        return mask("\n".join(texts))


class LineFormatter(Formatter):
    """``time LEVEL logger [request id] message name=value …``, and below it the indented stack."""

    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        request_id = facts.pop("request_id", "-")
        line = [self.moment(record), record.levelname, record.name, f"[{request_id}]"]
        line += [self.message(record)]
        line += [f"{name}={_quoted(value)}" for name, value in facts.items()]
        stack = self.stack(record).splitlines() if record.exc_info or record.stack_info else ()
        return "\n    ".join(map(one_line, [" ".join(line), *stack]))


class JsonFormatter(Formatter):
    """One JSON object a line; in ASCII, so that nothing in it ends a line or steers a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": self.moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message(record),
        }
        document |= self.facts(record)
        if stack := self.stack(record):
            document["exception"] = stack
        return json.dumps(document)


def _told(name: str, value: Any) -> Any:
    if isinstance(value, int | float):
        return value
    ours = name in OURS or isinstance(value, UUID)
    return str(value) if ours else mask(str(value))[:LONGEST]


def _quoted(value: Any) -> str:
    text = str(value)
    if PLAINEST.fullmatch(text):
        return text
    text = one_line(text)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
