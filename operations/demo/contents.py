"""What is in the connections of the demo: items with access lists of every kind, and two groups,
each a member of the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from operations.models import ActivityType, IdentityType

Json = dict[str, Any]

DAY = 24.0  # hours
SITE = "https://contoso.example"
SALES = "0a6c7a41-8f0c-4c2e-9a4c-3f6f0f1e7c01"
MANAGERS = "5c0de1a2-3a86-4e0a-8d1f-92a1b5d5aa02"
ADA = "3b1f8a2e-6f0e-4b0c-9a53-0d4f5f2f1a03"
BO = "b7d0c6f4-52c9-4f4e-8a67-6b7b6c1d5e04"
CONFIDENTIAL = "1f2c8d6b-0e53-4c0f-a2a7-7d3a4b9c6e05"


def grant(kind: str, value: str) -> Json:
    return {"accessType": "grant", "type": kind, "value": value}


def deny(kind: str, value: str) -> Json:
    return {"accessType": "deny", "type": kind, "value": value}


EVERYONE = [grant("everyone", "everyone")]
NO_GUESTS = [grant("everyoneExceptGuests", "everyoneExceptGuests")]


@dataclass
class Entry:
    """One item. ``modified`` is how many hours ago, for schemas that have it."""

    graph_id: str
    properties: Json
    acl: list[Json]
    text: str = ""
    html: str = ""
    label: str = ""
    modified: float | None = None
    #: What people did with it: what, who, how many hours ago.
    activities: list[tuple[ActivityType, str, float]] = field(default_factory=list)


@dataclass
class Group:
    graph_id: str
    name: str
    description: str
    members: list[tuple[IdentityType, str]]


@dataclass
class Contents:
    """What one service has put into one connection."""

    by: str
    items: list[Entry]
    groups: list[Group] = field(default_factory=list)


def policy(graph_id: str, title: str, department: str, acl: list[Json], **more: Any) -> Entry:
    url = f"{SITE}/hr/{graph_id}"
    return Entry(graph_id, {"title": title, "url": url, "department": department}, acl, **more)


def ticket(number: int, title: str, severity: str, *assignees: str, **more: Any) -> Entry:
    bag = {
        "title": title,
        "url": f"{SITE}/tickets/{number}",
        "severity": severity,
        "assignees@odata.type": "Collection(String)",
        "assignees": list(assignees),
    }
    return Entry(f"INC-{number}", bag, more.pop("acl", [grant("externalGroup", "desk")]), **more)


def article(graph_id: str, title: str, body: str, acl: list[Json], **more: Any) -> Entry:
    url = f"{SITE}/wiki/{graph_id.replace(' ', '-')}"
    return Entry(graph_id, {"title": title, "url": url, "body": body}, acl, text=body, **more)


def file(graph_id: str, title: str, acl: list[Json], **more: Any) -> Entry:
    bag = {"title": title, "url": f"{SITE}/finance/{graph_id}", "extension": title[-4:].strip(".")}
    return Entry(graph_id, bag, acl, **more)


VIEWED, COMMENTED = ActivityType.VIEWED, ActivityType.COMMENTED
MODIFIED, CREATED = ActivityType.MODIFIED, ActivityType.CREATED

CONTENTS: dict[str, Contents] = {
    "contosohr": Contents(
        "HR connector",
        [
            policy(
                "policies/leave",
                "Leave policy",
                "People",
                EVERYONE,
                html="<h1>Leave</h1><p>Thirty days a year. Ask your manager <em>first</em>.</p>",
                activities=[(VIEWED, ADA, 5), (VIEWED, BO, 3), (COMMENTED, BO, 2.9)],
            ),
            policy(
                "policies/remote-work",
                "Working from anywhere",
                "People",
                NO_GUESTS,
                text="Up to ninety days a year within the countries on the list.",
            ),
            policy(
                "policies/salaries",
                "Salary bands",
                "Rewards",
                [grant("group", MANAGERS), deny("user", BO)],
                text="Bands are reviewed every April.",
                label=CONFIDENTIAL,
            ),
            policy(
                "forms/parental-leave",
                "Elternzeit: Antrag (Übersetzung)",
                "People",
                EVERYONE,
                text="Bitte spätestens sieben Wochen vorher einreichen. 育児休業もこちら。",
            ),
            policy("benefits/pension", "Pension plan", "Rewards", NO_GUESTS, text="Five per cent."),
            policy(
                "benefits/bicycle",
                "A bicycle from the company",
                "Rewards",
                [grant("group", SALES), grant("user", ADA)],
                text="One every three years.",
            ),
            policy("drafts/reorganisation", "Reorganisation (draft)", "People", [], text="…"),
        ],
    ),
    "servicedesk": Contents(
        "Ticket sync",
        [
            ticket(
                10482,
                "Printer on floor 3 prints only in green",
                "low",
                "ada@contoso.example",
                text="Toner replaced. Still green.",
                modified=30,
                activities=[(CREATED, ADA, 31), (MODIFIED, BO, 30)],
            ),
            ticket(
                10483,
                "VPN drops every 30 minutes",
                "high",
                "ada@contoso.example",
                "bo@contoso.example",
                text="Since the update of the gateway. Workaround: reconnect.",
                modified=8,
                activities=[(COMMENTED, ADA, 8)],
            ),
            ticket(10484, "Please reset my password", "low", text="Done.", modified=4 * DAY),
            ticket(
                10485,
                "Laptop was stolen on the train",
                "critical",
                "bo@contoso.example",
                text="Wiped remotely at 08:14.",
                modified=20,
                acl=[grant("externalGroup", "on-call"), deny("externalGroup", "contractors")],
            ),
            ticket(
                10486,
                "<script>alert('no')</script> in the subject of a mail",
                "medium",
                html="<p>Quarantined: <code>&lt;script&gt;</code></p>",
                modified=2 * DAY,
            ),
            ticket(10487, "Meeting room display shows last week", "low", modified=3),
            ticket(
                10488,
                "Access to the finance share",
                "medium",
                "ada@contoso.example",
                text="Waiting for approval.",
                modified=1,
                acl=[grant("externalGroup", "desk"), grant("user", ADA), deny("user", BO)],
            ),
        ],
        [
            Group(
                "desk",
                "Service desk",
                "Who may read tickets.",
                [
                    (IdentityType.USER, ADA),
                    (IdentityType.USER, BO),
                    (IdentityType.EXTERNAL_GROUP, "on-call"),
                ],
            ),
            Group(
                "on-call",
                "On call",
                "Who is woken up. The whole desk is, so the two lead to each other.",
                [(IdentityType.GROUP, MANAGERS), (IdentityType.EXTERNAL_GROUP, "desk")],
            ),
        ],
    ),
    "engineeringwiki": Contents(
        "Wiki crawler",
        [
            article(
                "Runbooks/Database failover",
                "Database failover",
                "Promote the replica, then point the pool to it.",
                NO_GUESTS,
                modified=5 * DAY,
                activities=[(VIEWED, BO, 70), (VIEWED, ADA, 26), (MODIFIED, ADA, 25.5)],
            ),
            article(
                "Post-mortems/2024-03-02",
                "Four hours without search",
                "A certificate had expired. Nobody was told.",
                NO_GUESTS,
                modified=9 * DAY,
            ),
            article(
                "Design/Item ids",
                "What an id may look like",
                "Anything that fits into an address: /, ?, #, %, spaces, ä.",
                EVERYONE,
                modified=2 * DAY,
            ),
            article(
                "מדריך",
                "מדריך למתחילים",
                "ברוכים הבאים לצוות.",
                NO_GUESTS,
                modified=11 * DAY,
            ),
            article("100% coverage?", "100 % coverage?", "No.", EVERYONE, modified=7 * DAY),
            article(
                "Long page",
                "Everything about caches",
                " ".join(f"{number}. Ask whether it has to be cached." for number in range(1, 400)),
                NO_GUESTS,
                modified=DAY,
            ),
        ],
    ),
    "financeshare": Contents(
        "File crawler",
        [
            file("2024/q1.xlsx", "Quarter 1 2024.xlsx", [grant("group", MANAGERS)]),
            file("2024/q2.xlsx", "Quarter 2 2024.xlsx", [grant("group", MANAGERS)]),
            file(
                "invoices/4711.pdf",
                "Invoice 4711.pdf",
                [grant("group", SALES), grant("group", MANAGERS), deny("user", BO)],
                text="Net 1,204.00 EUR, due in 30 days.",
            ),
            file("invoices/4712.pdf", "Invoice 4712.pdf", [grant("group", SALES)]),
            file("travel.docx", "Travel expenses.docx", NO_GUESTS, label=CONFIDENTIAL),
        ],
    ),
    "peopledirectory": Contents(
        "People sync",
        [
            policy("people/ada", "Ada Lovelace", "Engineering", NO_GUESTS, text="Mathematician."),
            policy("people/bo", "Bo Nilsson", "Service desk", NO_GUESTS),
            policy("people/chika", "Chika Ōno 大野 千佳", "Finance", NO_GUESTS),
            policy("people/dee", "Dee O'Brien", "Sales", [grant("user", ADA), grant("user", BO)]),
        ],
    ),
    "legacyintranet": Contents(
        "Intranet crawler",
        [
            article("home", "Welcome", "This intranet has moved.", EVERYONE, modified=14 * DAY),
            article("canteen", "Menu of the week", "Soup.", EVERYONE, modified=14 * DAY),
        ],
    ),
}
