"""How a hand edit reaches the domain, and how a refusal comes back as a sentence.

A form asks the domain in a savepoint that is rolled back, so that every refusal is a form error
and no rule is written twice. Whoever loses a race after that gets the refusal as a message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets, action
from django.contrib.admin.actions import delete_selected as ask_before_deleting
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DataError, IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.access import person
from operations.admin.lists import BoundedList, CappedPaginator, search
from operations.errors import Fault, GraphError, ItemNotFound
from operations.models import Actor, Change, Channel, ExternalConnection
from operations.models.container import Container

#: One request works off so many rows; the rest is a click away.
MAX_AT_ONCE = 500
SENTENCES_SHOWN = 10
FAULTS_SHOWN = 100
CHANGES_SHOWN = 200
MEANWHILE = gettext_lazy(
    "The database refused this change, because what it refers to was changed or deleted meanwhile."
)
AskForm = TypeVar("AskForm", bound=forms.Form)
REFUSALS = (GraphError, ValidationError, IntegrityError, DataError, ObjectDoesNotExist)


def sentence(refusal: Exception) -> str:
    """A refusal in words: the domain's own, or ours for what only the database knows."""
    if isinstance(refusal, GraphError):
        return str(refusal)
    if isinstance(refusal, ValidationError):
        return " ".join(refusal.messages)
    return str(MEANWHILE)


def admin_actor(request: HttpRequest) -> Actor:
    return person(request, Channel.ADMIN)


def container_of(connection: ExternalConnection) -> Container:
    """As those see it who write into it. Raises ItemNotFound when it is being deleted."""
    try:
        return Container.of(connection)
    except ExternalConnection.DoesNotExist:
        raise ItemNotFound("Connection") from None


def told(change: Change) -> dict[str, Any]:
    """A record for the history page: its members as text, one a line."""

    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def lines(document: dict[str, Any] | None) -> list[str]:
        return [f"{member}: {text(value)}" for member, value in (document or {}).items()]

    return {"record": change, "before": lines(change.before), "after": lines(change.after)}


class DomainForm(forms.ModelForm):
    """A form whose saving is a domain function, ``apply``, and whose refusals are form errors."""

    actor: ClassVar[Actor]  # of the request, set by DomainAdmin.get_form
    #: which form field a GraphError's target is about
    field_of_target: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # What was edited is told from what was shown, not from what is stored by now: nobody
            # puts back a value that somebody else has set meanwhile.
            field.show_hidden_initial = True

    def apply(self) -> models.Model:
        """Do what the form says through the domain, and return the row."""
        raise NotImplementedError

    def hold(self) -> None:
        """Lock the row that is edited, until the request ends.

        The lock of a savepoint ends when that is rolled back. Whoever waited for it could then wait
        for this request, and this one, which locks the row again, for them (PostgreSQL).
        """
        if self.instance.pk:
            rows = type(self.instance)._default_manager.select_for_update()
            rows.filter(pk=self.instance.pk).values_list("pk").first()

    def when_refused(self, refusal: Exception) -> None:
        """What a refusal changes by itself; the attempt has been undone."""

    def given(self) -> dict[str, Any]:
        """The values that differ from what was shown."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """The faults that a rule found, each at the field that it is about. A field that cannot
        even be read has said so."""
        by_field: dict[str | None, list[Fault]] = {}
        for fault in faults:
            field = self.field_of_target.get(fault.target)
            field = field or self.field_of_target.get(fault.target.partition("/")[0])
            by_field.setdefault(field if field in self.fields else None, []).append(fault)
        for field, some in by_field.items():
            if field not in self.errors:
                sentences = [fault.as_listed().message for fault in some[:FAULTS_SHOWN]]
                if more := len(some) - len(sentences):
                    sentences.append(_("And %(number)s more.") % {"number": more})
                self.add_error(field, sentences)

    def full_clean(self) -> None:
        super().full_clean()
        if not self.is_bound or self.errors:
            return
        self.hold()
        try:
            with transaction.atomic():
                self.apply()
                transaction.set_rollback(True)
        except REFUSALS as refusal:
            field = self.field_of_target.get(getattr(refusal, "target", None) or "")
            self.add_error(field if field in self.fields else None, sentence(refusal))
            self.when_refused(refusal)


class QuietAdmin(ModelAdmin):
    """Lists that stay quick on large tables, and actions that say what became of each row."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each is a count of its own over the whole table
    list_per_page = 50
    list_max_show_all = 0
    #: Of a large table: the filters that an index serves. None: the table stays small.
    indexed: ClassVar[frozenset[str] | None] = None
    #: Those that leave so few rows that any other filter may come on top.
    selective: ClassVar[frozenset[str]] = frozenset()
    #: Large columns that no list shows.
    not_listed: ClassVar[tuple[str, ...]] = ()

    def exactly(self, term: str) -> models.Q:
        """The rows that a search finds by an index, however old they are."""
        return models.Q()

    def with_text(self, rows: models.QuerySet) -> models.QuerySet:
        """Those among which a search for text can find anything."""
        return rows

    def complete_rows(self, rows: list[Any]) -> None:
        """Fetch for one page of a list what its columns show besides."""

    def describe(self, obj: Any) -> str:
        """A row, on the page that asks before something is done to it."""
        return str(obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedList]:
        return BoundedList

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet, search_term: str
    ) -> tuple[models.QuerySet, bool]:
        def look(rows: models.QuerySet) -> tuple[models.QuerySet, bool]:
            return super(QuietAdmin, self).get_search_results(request, rows, search_term)

        if not search_term or self.indexed is None:
            return look(queryset)
        exactly = self.exactly(search_term.strip())
        return search(queryset, exactly, lambda rows: look(self.with_text(rows)))

    def for_each(
        self,
        request: HttpRequest,
        queryset: models.QuerySet,
        do: Callable[[Any], str | None],
        *,
        done: str,
    ) -> None:
        """Do something to each row, each in its own transaction, and say what became of it.

        ``do`` returns None when it did it and a sentence when there was nothing to do; a refusal
        is an exception.
        """
        count, skipped, refused = 0, [], []
        for obj in queryset[:MAX_AT_ONCE]:
            label = str(obj)
            try:
                with transaction.atomic():
                    reason = do(obj)
            except REFUSALS as refusal:
                refused.append(f"{label}: {sentence(refusal)}")
            else:
                if reason is None:
                    count += 1
                else:
                    skipped.append(f"{label}: {reason}")
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)
        if skipped:
            self.message_user(request, _tally(_("skipped"), skipped), messages.WARNING)
        if refused:
            self.message_user(request, _tally(_("refused"), refused), messages.ERROR)

    def ask_and_do(
        self,
        request: HttpRequest,
        queryset: models.QuerySet,
        form_class: type[AskForm],
        do: Callable[[Any, Actor, AskForm], str | None],
        *,
        action: str,
        question: str,
        button: str,
        done: str,
    ) -> HttpResponse | None:
        """Ask; once that was answered, do it to each row and say what became of it."""
        form = answer(request, form_class)
        if not form.is_valid():
            return self.ask(
                request, queryset, form, action=action, question=question, button=button
            )
        actor = admin_actor(request)
        self.for_each(request, queryset, lambda obj: do(obj, actor, form), done=done)
        return None

    def ask(
        self,
        request: HttpRequest,
        queryset: models.QuerySet,
        form: forms.Form,
        *,
        action: str,
        question: str,
        button: str,
        takes_all: bool = False,
    ) -> TemplateResponse:
        """The page between choosing an action and doing it.

        ``takes_all``: the action is for every row of the filter if that was chosen; others are for
        MAX_AT_ONCE at the most.
        """
        chosen = list(queryset[: MAX_AT_ONCE + 1])
        is_cut = len(chosen) > MAX_AT_ONCE
        everything = takes_all and request.POST.get("select_across") == "1"
        context = {
            **self.admin_site.each_context(request),
            "title": question,
            "subtitle": None,
            "opts": self.opts,
            "media": self.media + form.media,
            "chosen": [(obj.pk, self.describe(obj)) for obj in chosen[:MAX_AT_ONCE]],
            "is_cut": is_cut,
            "most": MAX_AT_ONCE,
            "everything": everything,
            "form": form,
            "action": action,
            "button": button,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/operations/ask.html", context)


class DomainAdmin(QuietAdmin):
    """An admin whose rows are changed by domain functions only."""

    form: type[DomainForm]
    actions: tuple[str, ...] = ("delete_selected",)
    object_history_template = "admin/operations/object_history.html"

    def remove(self, actor: Actor, obj: Any) -> None:
        """Delete a row through the domain."""
        raise NotImplementedError

    def what_goes_along(self, objects: list[Any]) -> list[str]:
        """Sentences for the page that asks before deleting."""
        return []

    def changes_of(self, obj: Any) -> models.QuerySet[Change] | None:
        """The recorded history of a row, newest first; None when there is none to show."""
        return None

    def all_changes_of(self, obj: Any) -> str:
        """Where those are listed that the history page has no room for."""
        return ""

    # Adding and changing ---------------------------------------------------------------------

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[DomainForm]:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = admin_actor(request)  # a class of this request's own
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.pk = form.apply().pk
        obj.refresh_from_db()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._guarded(request, super().changeform_view, *args, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        changes = self.changes_of(obj) if obj else None
        context: dict[str, Any] = {"changes": None}
        if changes is not None:
            found = list(changes[: CHANGES_SHOWN + 1])
            context["changes"] = [told(change) for change in found[:CHANGES_SHOWN]]
            context["all_changes"] = len(found) > CHANGES_SHOWN and self.all_changes_of(obj)
        return super().history_view(request, object_id, {**context, **(extra_context or {})})

    def _guarded(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The view runs in a transaction, so a refusal has undone all of it."""
        try:
            return view(request, *args, **kwargs)
        except REFUSALS as refusal:
            if request.method != "POST":
                raise
            self.message_user(request, sentence(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    # Deleting --------------------------------------------------------------------------------

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._guarded(request, super().delete_view, *args, **kwargs)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(admin_actor(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        actor = admin_actor(request)

        def do(obj: Any) -> None:
            self.log_deletions(request, queryset.filter(pk=obj.pk))
            self.remove(actor, obj)

        self.for_each(request, queryset, do, done="deleted")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list, dict[str, int], set[str], list]:
        """What the page names. Nothing is walked: a connection may hold a million operations."""
        objects = list(objs[:MAX_AT_ONCE])
        name = str(self.opts.verbose_name_plural)
        shown = [f"{capfirst(self.opts.verbose_name)}: {obj}" for obj in objects]
        return shown + self.what_goes_along(objects), {name: len(objects)}, set(), []

    @action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
    def delete_selected(
        self, request: HttpRequest, queryset: models.QuerySet
    ) -> HttpResponse | None:
        """Django's page that asks; then what was deleted and what was refused, by the row."""
        if "post" in request.POST:
            self.delete_queryset(request, queryset)
            return None
        return ask_before_deleting(self, request, queryset[:MAX_AT_ONCE])


class ContentAdmin(DomainAdmin):
    """What is in a connection."""

    def is_leaving(self, obj: Any) -> bool:
        """Whether a row is in a connection that is being deleted: it is looked at, no more."""
        return obj is not None and obj.connection.deleting_since is not None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not self.is_leaving(obj)


def answer(request: HttpRequest, form: type[AskForm]) -> AskForm:
    """The form of the asking page: bound once it was sent."""
    return form(request.POST if "post" in request.POST else None)


class ReadOnlyAdmin(QuietAdmin):
    """Rows that are looked at and never edited by hand."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _tally(word: str, sentences: Iterable[str]) -> str:
    listed = list(sentences)
    more = len(listed) - SENTENCES_SHOWN
    rest = f" And {more} more." if more > 0 else ""
    return f"{len(listed)} {word}. {' '.join(listed[:SENTENCES_SHOWN])}{rest}"
