"""What each tab of a connection's page shows. Each costs at most five queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from operations import tokens
from operations.dashboard.charts import DurationDots, Run
from operations.dashboard.filters import Parameters
from operations.dashboard.listing import GLIMPSE, base_url, operation_rows, page_of
from operations.dashboard.lookups import application_name
from operations.dashboard.pages.activity import activity_list
from operations.dashboard.pages.operations import operation_list
from operations.dashboard.presentation.connections import (
    ApplicationShown,
    limit_advice,
    limits_used,
)
from operations.dashboard.presentation.numbers import Count, Total
from operations.dashboard.presentation.readiness import readiness_shown
from operations.dashboard.presentation.recipes import LANGUAGES, Step
from operations.dashboard.presentation.schema import (
    SEARCH_FROM,
    PropertyRow,
    as_json,
    matching,
    schema_changes,
)
from operations.models import Change, ExternalConnection, OperationStatus
from operations.models.moves import TERMINAL

#: Newest finished operations that the chart shows.
DOTS = 30
#: What the actions on a connection and on what is below it begin with.
OWN = ("connection.", "schema.", "operation.", "item.", "group.")
#: Versions that a page of the tab lists, and that its forms offer.
VERSIONS = 25
CHOICES = 200


#: Newest items that are looked at for their content.
LOOKED_AT = 100


def summary(request: HttpRequest, found: Any, now: datetime) -> dict[str, Any]:
    listed = found.authorized_apps.annotate(name=application_name())
    authorized = [ApplicationShown(row.app_id, row.name) for row in listed]
    failures = found.operations.open_failures().select_related("connection").order_by("-id")
    newest = found.items.filter(pk__in=found.items.order_by("-id").values("pk")[:LOOKED_AT])
    counts = Count.several(
        failures=failures,
        operations=found.operations.all(),
        newest=newest,
        # unequal, not longer: so PostgreSQL looks at no long text, only at how long it is
        with_content=newest.exclude(content_value=None).exclude(content_value=""),
    )
    items, items_in_all = Total(found.item_count), Total(found.items_in_all)
    schema = found.schema_in_force
    property_count = len(schema.properties) if schema else 0
    return {
        "owner": _owner(found),
        "authorized": authorized,
        "failures": operation_rows(failures[:GLIMPSE], now) if counts["failures"] else [],
        "failure_count": counts["failures"],
        "operation_count": counts["operations"],
        "schema": schema,
        "limits": limits_used(
            property_count, len(authorized), counts["operations"], items, items_in_all
        ),
        "limit_advice": limit_advice(found, items, items_in_all),
        "readiness": readiness_shown(
            found, schema, counts["newest"].number, counts["with_content"].number
        ),
        "durations": _durations(found),
    }


def _owner(found: ExternalConnection) -> ApplicationShown | None:
    if found.owner_app_id is None:
        return None
    return ApplicationShown(found.owner_app_id, found.owner_name)  # type: ignore[attr-defined]


def _durations(found: ExternalConnection) -> DurationDots:
    """The newest finished operations that have a start; an import may lack it."""
    ended = found.operations.filter(status__in=TERMINAL, started_at__isnull=False)
    newest = ended.order_by("-id").values_list("graph_id", "status", "started_at", "finished_at")
    runs = [
        Run(
            at=started,
            seconds=max(0.0, (finished - started).total_seconds()),
            failed=status == OperationStatus.FAILED,
            label=graph_id,
            href=reverse("operation", args=[found.graph_id, graph_id]),
        )
        for graph_id, status, started, finished in newest[:DOTS]
        if started and finished
    ]
    return DurationDots("durations", _("How long the newest operations took"), runs)


def operations(request: HttpRequest, found: ExternalConnection, now: datetime) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    remembered = request.COOKIES.get("rows", "")
    return operation_list(parameters, now, connection=found, remembered=remembered)


def schema(request: HttpRequest, found: ExternalConnection, now: datetime) -> dict[str, Any]:
    """One version in full, all versions, and what changed from one to another."""
    parameters = Parameters(request.GET, keep=("tab",))
    newest = found.schemas.aggregate(newest=Max("version"))["newest"] or 0
    wanted = {
        "version": _version(parameters, "version", newest, newest),
        "to": _version(parameters, "to", newest, newest),
        "from": _version(parameters, "from", newest, newest - 1),
    }
    below = parameters.position("below")
    text = parameters.words("property", _("Property"))
    parameters.finish()
    listed = found.schemas.select_related("operation").order_by("-version")
    page, more = page_of(listed.filter(version__lt=int(below)) if below else listed, VERSIONS)
    known = {row.version: row for row in page}
    missing = {number for number in wanted.values() if number and number not in known}
    if missing:
        known |= {row.version: row for row in listed.filter(version__in=missing)}
    chosen = known.get(wanted["version"])
    earlier, later = known.get(wanted["from"]), known.get(wanted["to"])
    properties = [PropertyRow.of(each) for each in chosen.properties] if chosen else []
    return {
        "parameters": parameters,
        "schema": chosen,
        "is_in_force": wanted["version"] == newest,
        "property_count": len(properties),
        "properties": matching(properties, text),
        "is_searchable": len(properties) > SEARCH_FROM or bool(text),
        "text": text,
        "schema_json": as_json(chosen.document) if chosen else "",
        "versions": page,
        "newest": newest,
        "older_versions": parameters.at("below", page[-1].version) if more else "",
        "is_later_page": bool(below),
        "choices": _choices(newest, wanted),
        "earlier": earlier,
        "later": later,
        "changes": schema_changes(earlier.document, later.document) if earlier and later else None,
        "steps": _steps(request, found, "curl", has_schema=newest > 0, only=("token", "register")),
    }


def _version(parameters: Parameters, name: str, newest: int, otherwise: int) -> int:
    given = parameters.position(name)
    if not given:
        return otherwise
    if 1 <= int(given) <= newest:
        return int(given)
    parameters.leave_out(name)
    return otherwise


def _choices(newest: int, wanted: dict[str, int]) -> list[int]:
    """Versions that the forms offer: the newest ones, and those that are chosen."""
    offered = set(range(max(1, newest - CHOICES + 1), newest + 1))
    return sorted(offered | {number for number in wanted.values() if number > 0}, reverse=True)


def activity(request: HttpRequest, found: ExternalConnection, now: datetime) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    changes = Change.objects.filter(connection_key=found.pk)
    shown = activity_list(parameters, changes, now, request.COOKIES.get("rows", ""))
    options = parameters.options
    options["action"] = [option for option in options["action"] if option.value.startswith(OWN)]
    filters = (
        ("action", _("What")),
        ("channel", _("Through")),
        ("by", _("By")),
        ("outcome", _("Outcome")),
    )
    return {
        **shown,
        "picks": [(name, title, options[name]) for name, title in filters],
        "who": request.GET.get("who", ""),
    }


def api(request: HttpRequest, found: ExternalConnection, now: datetime) -> dict[str, Any]:
    chosen = request.GET.get("in", "")
    chosen = chosen if chosen in LANGUAGES else next(iter(LANGUAGES))
    schema = found.schema_in_force
    properties = schema.properties if schema else ()
    return {
        "languages": [(each.id, each.name, each.id == chosen) for each in LANGUAGES.values()],
        "language": LANGUAGES[chosen],
        "steps": _steps(
            request, found, chosen, has_schema=schema is not None, properties=properties
        ),
    }


def _steps(
    request: HttpRequest,
    found: ExternalConnection,
    language: str,
    *,
    has_schema: bool,
    properties: Sequence[Any] = (),
    only: tuple[str, ...] = (),
) -> list[Step]:
    filled_in = LANGUAGES[language].filled_in(
        base_url=base_url(request),
        tenant=tokens.tenant_id(),
        connection=found.graph_id,
        has_schema=has_schema,
        properties=properties,
    )
    return [step for step in filled_in.steps if not only or step.id in only]
