"""Every visible string of the pages is marked for translation. What the API says never is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
TEMPLATES = sorted(
    path
    for path in (HOME / "templates").rglob("*.html")
    # what the API shows of itself is English, as the API is
    if path.parent.name != "api"
)
SPOKEN = [HOME / "operations/dashboard", HOME / "operations/marks.py", HOME / "operations/roles.py"]
PROGRAMS = {"recipes.py"}  # what is to be pasted into a shell
MODULES = sorted(
    path
    for place in SPOKEN
    for path in ([place] if place.is_file() else place.rglob("*.py"))
    if path.name not in PROGRAMS
)

NOT_TEXT = re.compile(
    r"{% comment %}.*?{% endcomment %}|{#.*?#}"
    r"|{% (blocktranslate|blocktrans)\b.*?{% end\1 %}"
    r"|<(pre|code|script|kbd)\b.*?</\2>"
    r"|{%.*?%}|{{.*?}}|&[a-z]+;|&#\d+;|<!doctype html>",
    re.DOTALL,
)
SAID_BY_ATTRIBUTES = re.compile(r'\b(?:title|aria-label|placeholder|alt)="([^"]*)"')
TAG = re.compile(r"<[^>]*>", re.DOTALL)
WORD = re.compile(r"[A-Za-z]{2,}")
#: The product's name, Graph's words and units, which stay as they are in every language.
NAMES = re.compile(
    r"Connectors Admin|Graph JSON|Graph|Django|CSV|JSON(?: lines)?|curl|Python|PowerShell|API"
    r"|request-id|contosohr"
)
MARKED = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "translate"}
SENTENCE = re.compile(r"[A-Z][a-z]+[ .,:]|[a-z]+ [a-z]+ [a-z]+")


def unmarked(text: str) -> list[str]:
    bare = NOT_TEXT.sub(" ", text)
    spoken = [TAG.sub(" ", bare), *SAID_BY_ATTRIBUTES.findall(bare)]
    return [" ".join(part.split()) for part in spoken if WORD.search(NAMES.sub(" ", part))]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(HOME)))
def test_templates(path):
    assert unmarked(path.read_text()) == []


def test_the_test_sees_what_is_not_marked():
    assert unmarked('<p title="Copy id">{{ x }}</p>') == ["Copy id"]
    assert unmarked("{% if x %}<b>Open failures</b>{% endif %}") == ["Open failures"]
    assert (
        unmarked('{% translate "Open" %} {% blocktranslate %}So {{ x }}{% endblocktranslate %}')
        == []
    )


class Sentences(ast.NodeVisitor):
    """Text constants of a module that are neither marked nor documentation."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """What a programmer reads (a TypeError); refusals for people are marked where they are."""
        if not (isinstance(node.exc, ast.Call) and getattr(node.exc.func, "id", "") == "TypeError"):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in MARKED or name in ("debug", "info", "warning", "exception", "compile"):
            return
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        self.look("".join(map(str, parts)))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.look(node.value)

    def look(self, text: str) -> None:
        if SENTENCE.search(text) and not text.startswith(("SELECT", "<", "(SELECT", "?")):
            self.found.append(text)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HOME)))
def test_modules(path):
    sentences = Sentences()
    sentences.visit(ast.parse(path.read_text()))

    assert sentences.found == []
