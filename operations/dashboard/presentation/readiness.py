"""The readiness list in words: what each check is, why it matters, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from operations.models import ExternalConnection, Schema
from operations.readiness import Check, Need, readiness

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NEEDS = {
    Need.REQUIRED: gettext_lazy("Required"),
    Need.RECOMMENDED: gettext_lazy("Recommended"),
    Need.MANUAL: gettext_lazy("To look at yourself"),
}


@dataclass(frozen=True)
class Words:
    """What is printed of a check: its name, why it matters, and what to do until it passes."""

    title: StrOrPromise
    why: StrOrPromise
    what_to_do: StrOrPromise


_LABEL_TO_DO = gettext_lazy(
    "Put the label on a retrievable property and register the schema again."
)
WORDS = {
    "schema": Words(
        gettext_lazy("A schema is in force"),
        gettext_lazy("Without one no item can be written."),
        gettext_lazy("Register a schema."),
    ),
    "label-title": Words(
        gettext_lazy("A property has the label title"),
        gettext_lazy("It is the headline of a result; without it content does not surface."),
        _LABEL_TO_DO,
    ),
    "label-url": Words(
        gettext_lazy("A property has the label url"),
        gettext_lazy("It is where a result leads; without it content does not surface."),
        _LABEL_TO_DO,
    ),
    "label-iconUrl": Words(
        gettext_lazy("A property has the label iconUrl"),
        gettext_lazy("It is the picture beside a result, and Copilot asks for it."),
        _LABEL_TO_DO,
    ),
    "searchable": Words(
        gettext_lazy("A property is searchable"),
        gettext_lazy("Searches and prompts are matched with searchable properties only."),
        gettext_lazy(
            "Set isSearchable on a property of text that people would look for, and register the "
            "schema again."
        ),
    ),
    "description": Words(
        gettext_lazy("The description tells what is in it"),
        gettext_lazy("Copilot chooses where to look by name and description."),
        gettext_lazy("Describe the content in a sentence: what it is, of whom, for whom."),
    ),
    "resolver": Words(
        gettext_lazy("Addresses lead to items"),
        gettext_lazy("A link that is shared then counts as an activity on its item."),
        gettext_lazy("Set activitySettings.urlToItemResolvers on the connection."),
    ),
    "result-type": Words(
        gettext_lazy("Results have a layout"),
        gettext_lazy("Without a result type only the title and a line of text are shown."),
        gettext_lazy(
            "Set searchSettings.searchResultTemplates, or see whether the admin center has a "
            "result type for this connection."
        ),
    ),
    "content": Words(
        gettext_lazy("Items carry their text"),
        gettext_lazy("Answers are made from the content of items, not from properties alone."),
        gettext_lazy("Send the text of what an item is about in content.value, not its address."),
    ),
    "switched-on": Words(
        gettext_lazy("It is switched on for people"),
        gettext_lazy("A connection that is ready can still be hidden from search and Copilot."),
        gettext_lazy("In the admin center, include the connection in results for all users."),
    ),
}


@dataclass(frozen=True)
class CheckShown:
    """One line of the list. ``standing``, the class of its line, is passed, missing
    (required), advised (missing, and recommended) or manual."""

    standing: str
    state: str
    icon: str
    words: Words
    found: str

    @property
    def is_open(self) -> bool:
        return self.standing != "passed"


@dataclass(frozen=True)
class ReadinessGroup:
    """The checks of one need, with how many of them pass."""

    title: str
    tally: str
    checks: list[CheckShown]


def readiness_shown(
    connection: ExternalConnection, schema: Schema | None, items: int, with_content: int
) -> list[ReadinessGroup]:
    """Of the newest items so many were looked at, and so many are ``with_content``."""
    checks = readiness(
        name=connection.name,
        description=connection.description,
        schema=schema.document if schema else None,
        activity_settings=connection.activity_settings,
        search_settings=connection.search_settings,
        items=items,
        with_content=with_content,
    )
    groups = []
    for need, title in NEEDS.items():
        members = [check for check in checks if check.need is need]
        passed = sum(check.passed is True for check in members)
        tally = (
            ""
            if need is Need.MANUAL
            else _("%(passed)s of %(all)s")
            % {
                "passed": passed,
                "all": len(members),
            }
        )
        groups.append(ReadinessGroup(str(title), tally, [_shown(check) for check in members]))
    return groups


def _shown(check: Check) -> CheckShown:
    words = WORDS[check.id]
    if check.passed is None:
        return CheckShown("manual", _("Not known here"), "info", words, "")
    if not check.passed and check.need is Need.RECOMMENDED:
        found = _found(check) if check.id == "content" else ""
        return CheckShown("advised", _("Missing"), "triangle", words, found)
    if not check.passed:
        return CheckShown("missing", _("Missing"), "octagon", words, "")
    return CheckShown("passed", _("Done"), "tick", words, _found(check))


def _found(check: Check) -> str:
    """What makes a check pass, in a few words."""
    if check.id == "resolver":
        number = int(check.by[0])
        return ngettext("%(n)s resolver", "%(n)s resolvers", number) % {"n": number}
    if check.id == "result-type":
        number = int(check.by[0])
        return ngettext("%(n)s template", "%(n)s templates", number) % {"n": number}
    if check.id == "content":
        having, number = map(int, check.by)
        said = ngettext(
            "%(having)s of 1 item",
            "%(having)s of the newest %(number)s items",
            number,
        )
        return said % {"having": having, "number": number}
    shown = ", ".join(check.by[:3])
    return f"{shown}, …" if len(check.by) > 3 else shown
