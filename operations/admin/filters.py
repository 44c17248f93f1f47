"""Filters of the lists. Their words are those of the pages: Graph's for statuses and states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from operations.marks import HEALTH_MARKS, OPERATION_MARKS, STATE_MARKS, TRIAGE_MARKS
from operations.models import (
    Application,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    ExternalGroup,
    OperationStatus,
    Triage,
)
from operations.models.health import health
from operations.models.moves import ERROR_COLUMNS

OWNERS_OFFERED = 50


class ChoiceFilter(admin.SimpleListFilter):
    """A filter whose choices are written down; one that is not among them changes nothing."""

    offered: dict[str, Any]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.offered.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        return self.narrow(queryset, value) if value in self.offered else queryset

    def narrow(self, rows: Any, value: str) -> QuerySet:
        raise NotImplementedError


class StatusFilter(ChoiceFilter):
    title, parameter_name = _("status"), "status"
    offered = {mark.word: mark.label for mark in OPERATION_MARKS.values()}

    def narrow(self, rows: Any, value: str) -> QuerySet:
        return rows.filter(status=OperationStatus.from_word(value))


class TriageFilter(ChoiceFilter):
    title, parameter_name = _("triage"), "triage"
    offered = {mark.value: mark.label for mark in TRIAGE_MARKS.values()}

    def narrow(self, rows: Any, value: str) -> QuerySet:
        if value == Triage.OPEN:
            return rows.open_failures()
        # only failures are triaged, and these are found by an index
        return rows.filter(status=OperationStatus.FAILED, triage=value)


class ErrorFilter(ChoiceFilter):
    title, parameter_name = _("error"), "error"
    offered = {"yes": _("With an error"), "no": _("Failed without one")}

    def narrow(self, rows: Any, value: str) -> QuerySet:
        failed = rows.filter(status=OperationStatus.FAILED)
        without = {f"{column}__isnull": True for column in ERROR_COLUMNS.values()}
        return failed.exclude(**without) if value == "yes" else failed.filter(**without)


class StuckFilter(ChoiceFilter):
    title, parameter_name = _("duration"), "stuck"
    offered = {"yes": _("Stuck: in progress for longer than usual")}

    def narrow(self, rows: Any, value: str) -> QuerySet:
        return rows.stuck(timezone.now())


class ConnectionBox(AutocompleteSelect):
    """The admin's own box that finds a connection while one types; no list of all of them."""

    def __init__(self) -> None:
        super().__init__(ConnectionOperation._meta.get_field("connection"), admin.site)

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        named = {"data-placeholder": _("Any connection"), "aria-label": _("Connection")}
        return {**super().build_attrs(base_attrs, extra_attrs), **named}


class ConnectionChoice(forms.Form):
    connection = forms.ModelChoiceField(
        ExternalConnection.objects.all(), required=False, widget=ConnectionBox
    )


class ConnectionFilter(admin.SimpleListFilter):
    title, parameter_name = _("connection"), "connection"
    template = "admin/operations/connection_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        key = _key(self.value())
        return queryset.filter(connection=key) if key else queryset.none()

    def choices(self, changelist: Any) -> Iterator[Any]:
        given = changelist.get_filters_params()
        others = [
            (name, value)
            for name, values in given.items()
            if name != self.parameter_name
            for value in values
        ]
        if changelist.query:
            others.append(("q", changelist.query))
        form = ConnectionChoice({"connection": _key(self.value())}, auto_id="filter-%s")
        yield {"field": form["connection"], "others": others}


class GroupFilter(admin.SimpleListFilter):
    """The one group whose page has led here; others are reached by their own."""

    title, parameter_name = _("group"), "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        asked = self.used_parameters.get(self.parameter_name)
        if not asked:
            return []
        groups = ExternalGroup.objects.select_related("connection")
        group = groups.filter(pk=_key(asked) or 0).first()
        if group is None:
            return [(asked, _("One that is gone"))]
        names = {"group": group, "connection": group.connection}
        return [(asked, gettext("In %(group)s (%(connection)s)") % names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(group=_key(self.value())) if self.value() else queryset


def _key(text: str | None) -> int | None:
    """The key that stands in an address, None for what is none."""
    is_key = text and text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if text and is_key else None


class StateFilter(ChoiceFilter):
    title, parameter_name = _("state"), "state"
    offered = {mark.word: mark.label for mark in STATE_MARKS.values()}

    def narrow(self, rows: Any, value: str) -> QuerySet:
        return rows.filter(state=ConnectionState.from_word(value))


class HealthFilter(ChoiceFilter):
    title, parameter_name = _("health"), "health"
    offered = {mark.value: mark.label for mark in HEALTH_MARKS.values()}

    def narrow(self, rows: Any, value: str) -> QuerySet:
        wanted = next(rank for rank, mark in HEALTH_MARKS.items() if mark.value == value)
        return rows.annotate(health=health(timezone.now())).filter(health=wanted)


class OwnerFilter(admin.SimpleListFilter):
    """The first applications by name; the page of any application links to what it owns."""

    title, parameter_name = _("owner"), "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = Application.objects.order_by("name", "pk").values_list("app_id", "name")
        named = [(str(app_id), name) for app_id, name in rows[:OWNERS_OFFERED]]
        asked = self.used_parameters.get(self.parameter_name)
        if asked and asked not in ("none", *(app_id for app_id, _name in named)):
            named.append((asked, asked))
        return [("none", _("Nobody")), *named]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value == "none":
            return queryset.filter(owner_app_id=None)
        try:
            return queryset.filter(owner_app_id=UUID(value)) if value else queryset
        except ValueError:
            return queryset.none()


class UsedUpFilter(admin.SimpleListFilter):
    """A rule that is used up lets nothing fail any more: it is shown when it is asked for."""

    title, parameter_name = _("rule"), "rules"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("used", _("Used up")), ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        waiting = {"remaining": 0} if self.value() == "used" else {"remaining__gt": 0}
        return queryset.filter(**waiting)

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Still to come")}
        yield from rest
