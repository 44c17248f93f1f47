"""The shape of the house: who may import whom, how long a file may be, what lies at the top.

The arrows are those of the design: ``errors, odata, preconditions, schema_rules, public_error`` <-
``models`` <- ``access, provisioning, registering, tokens`` <- ``api``, ``dashboard``, ``admin``,
commands.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
OURS = ("operations", "connectors_admin")
FILES = sorted(
    path.relative_to(HOME)
    for folder in (*OURS, "tests", "benchmarks")
    for path in (HOME / folder).rglob("*.py")
    if "migrations" not in path.parts
)

#: Each room, and which others it may import from. Its own files it may always.
PURE = {
    "errors",
    "fingerprints",
    "odata",
    "preconditions",
    "schema_rules",
    "public_error",
    "connection_rules",
    "item_rules",
    "schema_diff",
    "url_pattern",
    "readiness",
    "masking",
    "logs",
    "caller_cache",
    "metrics",
    "metrics_folder",
}
DOMAIN = PURE | {
    "outage",
    "models",
    "access",
    "provisioning",
    "registering",
    "quota",
    "ingestion",
    "groups",
    "bearer",
    "causes",
    "foreign_tokens",
    "tokens",
    "exports",
    "operation_export",
    "marks",
    "roles",
    "health_checks",
    "backups",
    "retention",
    "runs",
    "selection",
}
ARROWS = {
    "errors": set(),
    "fingerprints": set(),
    "roles": set(),
    "exports": set(),
    "operation_export": {"exports", "marks", "models"},
    "marks": {"models"},
    "odata": {"errors"},
    "outage": set(),
    "browser_headers": set(),
    "compression": set(),
    "preconditions": {"errors"},
    "schema_rules": {"errors"},
    "public_error": {"errors"},
    "url_pattern": set(),
    "readiness": set(),
    "masking": set(),
    "schema_diff": {"schema_rules"},
    "connection_rules": {"errors", "url_pattern"},
    "item_rules": {"errors", "schema_rules"},
    "logs": {"masking"},
    "metrics": {"metrics_folder"},
    "metrics_folder": set(),
    "models": PURE - {"odata"} | {"outage"},
    "access": PURE | {"models"},
    "quota": PURE | {"models"},
    "ingestion": PURE | {"models", "quota"},
    "groups": PURE | {"models"},
    "provisioning": PURE | {"models", "access"},
    "registering": PURE | {"models"},
    "backups": {"models", "health_checks"},
    "retention": {"models"},
    "selection": {"models"},
    "runs": PURE | {"models", "access", "outage", "provisioning", "selection"},
    "bearer": {"errors"},
    "causes": {"errors"},
    "foreign_tokens": {"errors", "bearer"},
    "caller_cache": set(),
    "tokens": PURE | {"models", "access", "bearer", "foreign_tokens"},
    "health_checks": {"models", "causes", "checks"},
    "demo": DOMAIN,
    "middleware": {"logs", "metrics"},
    "monitoring": DOMAIN | {"middleware"},
    "checks": {"bearer", "causes"},
    "apps": {"checks"},
    "api": DOMAIN | {"middleware"},
    "dashboard": DOMAIN | {"demo", "middleware"},
    "templatetags": DOMAIN | {"dashboard"},
    "admin": DOMAIN | {"middleware"},
    "management": DOMAIN | {"checks", "demo"},
}
#: What a person finds at the top. Files that git ignores do not count.
TOP = {
    ".ci",
    ".dockerignore",
    ".editorconfig",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "connectors_admin",
    "constraints.txt",
    "deploy",
    "docs",
    "manage.py",
    "operations",
    "pyproject.toml",
    "templates",
    "tests",
}


def tree(path: Path) -> ast.Module:
    return ast.parse((HOME / path).read_text(), str(path))


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, inside functions and TYPE_CHECKING too.

    ``from package import name`` counts as ``package.name``, for the name may be a module.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(parts: tuple[str, ...]) -> str:
    """``operations/api/views.py`` or ``operations.api.views`` -> ``api``."""
    return parts[1].removesuffix(".py")


def rooms_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path))
    return {room(tuple(name)) for name in names if name[0] == "operations" and len(name) > 1}


DOMAIN_FILES = [path for path in FILES if path.parts[0] == "operations" and len(path.parts) > 1]


def test_there_is_something_to_check():
    assert len(DOMAIN_FILES) > 40
    assert "models" in rooms_imported(Path("operations/access.py"))
    assert "errors" in rooms_imported(Path("operations/api/views.py"))


@pytest.mark.parametrize("path", DOMAIN_FILES, ids=str)
def test_the_arrows(path):
    here = room(path.parts)
    if here == "__init__":
        assert not rooms_imported(path)
        return
    assert here in ARROWS, f"{path}: a new room; say in ARROWS what it may import"
    wrong = rooms_imported(path) - ARROWS[here] - {here}
    assert not wrong, f"{path} imports {', '.join(sorted(wrong))}"


def test_the_arrows_make_no_circle():
    seen: set[str] = set()
    waiting = dict(ARROWS)
    while waiting:
        ready = {name for name, needs in waiting.items() if needs <= seen}
        assert ready, f"a circle among {sorted(waiting)}"
        seen |= ready
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}


def test_the_api_and_the_pages_never_import_each_other():
    for path in DOMAIN_FILES:
        if room(path.parts) == "api":
            assert not rooms_imported(path) & {"dashboard", "admin", "templatetags"}, path
        if room(path.parts) in ("dashboard", "admin", "templatetags"):
            assert "api" not in rooms_imported(path), path


def test_nothing_imports_the_commands():
    for path in FILES:
        if path.parts[0] in OURS and room(path.parts) != "management":
            names = [name for name in imports(path) if name.startswith("operations.management")]
            assert not names, f"{path} imports {names}"


def test_the_domain_knows_nothing_of_the_project_package():
    """The commands may: they start its processes."""
    for path in DOMAIN_FILES:
        if room(path.parts) != "management":
            names = [name for name in imports(path) if name.startswith("connectors_admin")]
            assert not names, f"{path} imports {names}"


def test_only_the_api_knows_the_rest_framework():
    users = {
        path.parts[:2]
        for path in FILES
        if path.parts[0] in OURS
        and any(name.split(".")[0] == "rest_framework" for name in imports(path))
    }
    assert users == {("operations", "api")}


def test_the_pure_modules_import_no_django():
    pure = [path for path in DOMAIN_FILES if room(path.parts) in PURE]
    assert len(pure) > len(PURE), "odata has several files"
    for path in pure:
        assert not [name for name in imports(path) if name.split(".")[0] == "django"], path


def test_no_signals():
    for path in FILES:
        if path.parts[0] in OURS:
            wrong = [
                name
                for name in imports(path)
                if name.startswith(("django.db.models.signals", "django.dispatch"))
                or name == "django.core.signals"
            ]
            assert not wrong, f"{path} imports {wrong}"


def test_no_save_with_side_effects():
    """A model may refuse to be saved; what a change brings with it is said by its own function."""
    for path in DOMAIN_FILES:
        if room(path.parts) != "models":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name == "save":
                writes = [
                    call.func.attr
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and call.func.attr in ("create", "bulk_create", "update", "delete", "record")
                ]
                assert not writes, f"{path}: save() also does {writes}"


def test_every_write_of_a_serializer_or_template_is_elsewhere():
    """Rules are in the domain: nobody writes DRF serializers here."""
    for path in DOMAIN_FILES:
        assert not [name for name in imports(path) if name.startswith("rest_framework.serial")], (
            path
        )


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_can_be_read_in_one_sitting(path):
    limit = 500 if path.parts[0] in OURS else 700
    lines = len((HOME / path).read_text().splitlines())
    assert lines <= limit, f"{path} has {lines} lines"


def tracked() -> set[str]:
    """What lies at the top and is not ignored; without git (an unpacked archive) all that lies."""
    shown = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=HOME,
        capture_output=True,
        text=True,
    )
    if shown.returncode == 0 and shown.stdout:
        return {name.partition("/")[0] for name in shown.stdout.splitlines()}
    return {path.name for path in HOME.iterdir()}


def test_the_top_level_stays_short():
    assert tracked() - TOP - {".git", ".venv", "var"} == set()


def test_the_url_table_has_one_line_an_endpoint_and_no_logic():
    body = tree(Path("operations/api/urls.py"))
    branches = [node for node in ast.walk(body) if isinstance(node, ast.If | ast.For | ast.Try)]
    assert not branches
