"""What the demo shows: every state, status, error and triage once, as two weeks of a company."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from operations.models import ConnectionState, ContentCategory, OperationStatus, Triage
from operations.schema_rules import BASE_TYPE, read_schema

DAY = 24 * 60  # minutes

UNSPECIFIED = OperationStatus.UNSPECIFIED
RUNNING = OperationStatus.INPROGRESS
COMPLETED = OperationStatus.COMPLETED
FAILED = OperationStatus.FAILED
UNKNOWN = OperationStatus.UNKNOWN_FUTURE_VALUE


@dataclass
class Op:
    """One operation, by how many minutes ago it was asked for and how many it took."""

    ago: int
    status: OperationStatus
    took: int = 8
    graph_id: str = ""
    error: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None  # asks for this; None: a service reports it
    by: str = ""
    triage: Triage | None = None  # None: what follows from the status
    note: str = ""
    retry_of: str = ""
    queued: bool = False

    @property
    def is_workers(self) -> bool:
        return self.schema is not None


@dataclass
class Demo:
    """One connection and what happened to it."""

    graph_id: str
    name: str
    description: str | None
    ago: int
    state: ConnectionState
    category: ContentCategory = ContentCategory.UNCATEGORIZED
    operations: list[Op] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    rule: tuple[int, dict[str, Any]] | None = None


def prop(name: str, kind: str = "string", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **attributes}


def schema(*properties: dict[str, Any]) -> dict[str, Any]:
    """A schema in canonical form. The demo obeys the rules that it demonstrates."""
    document, faults = read_schema({"baseType": BASE_TYPE, "properties": list(properties)})
    if faults:
        raise ValueError(faults)
    return document


TITLE = prop("title", isSearchable=True, isRetrievable=True, labels=["title"])
URL = prop("url", isRetrievable=True, labels=["url"])
CHANGED = prop(
    "lastModified",
    "dateTime",
    isRetrievable=True,
    isQueryable=True,
    labels=["lastModifiedDateTime"],
)
HR = schema(TITLE, URL, prop("department", isQueryable=True, isRetrievable=True, isRefinable=True))
TICKETS = schema(TITLE, URL, prop("severity", isQueryable=True, isRetrievable=True))
TICKETS_2 = schema(
    TITLE,
    URL,
    prop("severity", isQueryable=True, isRetrievable=True, labels=["severity"]),
    CHANGED,
    prop("assignees", "stringCollection", isQueryable=True, isRetrievable=True),
)
WIKI = schema(TITLE, URL, CHANGED, prop("body", isSearchable=True))
WIKI_2 = schema(
    TITLE,
    URL,
    CHANGED,
    prop("body", isSearchable=True),
    prop("tags", "stringCollection", isRetrievable=True, labels=["tags"]),
)
ACCOUNTS = schema(TITLE, URL, prop("revenue", "double", isRetrievable=True, isRefinable=True))
FILES = schema(TITLE, URL, prop("extension", isRetrievable=True, labels=["fileExtension"]))

SEED_ERROR = {"message": "Server error, something went wrong"}
QUOTA_ERROR = {
    "code": "QuotaExceeded",
    "message": "The connection holds more items than its quota allows.",
    "target": "items",
}
DETAILS_ERROR = {
    "code": "InvalidRequest",
    "message": "The schema could not be applied.",
    "target": "schema",
    "details": [
        {
            "code": "RefinerShouldNotBeOfType",
            "message": "Refiner property 'isPublic' cannot be of type 'Boolean'.",
            "target": "properties/3/isRefinable",
        },
        {
            "code": "LabelNotRetrievable",
            "message": "Property 'owner' has a label but cannot be retrieved.",
            "target": "properties/4/labels",
        },
    ],
}
INNER_ERROR = {
    "code": "SourceUnreachable",
    "message": "The directory did not answer.",
    "innerError": {
        "code": "ConnectionTimedOut",
        "message": "No answer from ldaps://directory.contoso.example within 30 s.",
        "request-id": "6d8f2f0e-55f4-4a52-9f0f-0a4f6c0b7d11",
        "date": "2024-05-31T07:12:09",
    },
}
LONG_ERROR = {
    "code": "CrawlFailed",
    "message": "The crawl stopped after too many items were refused. "
    + " ".join(
        f"Item {number}: the value of property 'lastModified' is no date." for number in range(120)
    ),
}
MARKUP_ERROR = {
    "code": "UnexpectedAnswer",
    "message": "Expected JSON, got <html><body onload=\"alert('no')\"><h1>502 Bad Gateway</h1>"
    "</body></html> & nothing else.",
}


def nightly(by: str, *, started: int, first: int = 13, last: int = 1) -> list[Op]:
    """A reported run a night; they took a little longer from night to night."""
    return [
        Op(ago=night * DAY + started, status=COMPLETED, took=12 + 14 - night, by=by)
        for night in range(first, last - 1, -1)
    ]


DEMOS = [
    Demo(
        "contosohr",
        "Contoso HR",
        "Policies, benefits and forms of human resources.",
        14 * DAY,
        ConnectionState.READY,
        ContentCategory.KNOWLEDGE_BASE,
        [
            Op(ago=14 * DAY - 30, status=COMPLETED, took=7, schema=HR, by="HR connector"),
            *nightly("HR connector", started=190, last=2),
            Op(
                ago=95,
                status=FAILED,
                took=6,
                graph_id="3ed1595a-4bae-43c2-acda-ef973e581323",
                error=SEED_ERROR,
                schema=HR,
                by="HR connector",
            ),
        ],
    ),
    Demo(
        "servicedesk",
        "IT service desk",
        "Tickets of the service desk and their resolutions.",
        14 * DAY - 200,
        ConnectionState.READY,
        ContentCategory.TASK_MANAGEMENT,
        [
            Op(ago=14 * DAY - 240, status=COMPLETED, took=9, schema=TICKETS, by="Ticket sync"),
            Op(
                ago=6 * DAY + 130,
                status=FAILED,
                took=4,
                error=DETAILS_ERROR,
                schema=TICKETS_2,
                by="Ticket sync",
                triage=Triage.SUPERSEDED,
            ),
            Op(ago=6 * DAY + 60, status=COMPLETED, took=11, schema=TICKETS_2, by="Ticket sync"),
            *nightly("Ticket sync", started=75),
            Op(
                ago=40,
                status=COMPLETED,
                took=21,
                graph_id="1.weu-b.0251D560C889F660594C3F098392B322."
                "98B2D9481B87CDDEBDF3DABCB52A9D22",
                by="Ticket sync",
            ),
        ],
    ),
    Demo(
        "engineeringwiki",
        "Engineering wiki",
        "Design notes, runbooks and post-mortems.",
        12 * DAY,
        ConnectionState.READY,
        ContentCategory.WIKIS,
        [
            Op(ago=12 * DAY - 15, status=COMPLETED, took=6, schema=WIKI, by="Wiki crawler"),
            *nightly("Wiki crawler", started=320, first=11),
            Op(ago=3, status=RUNNING, schema=WIKI_2, by="Wiki crawler", queued=True),
        ],
    ),
    Demo(
        "crmaccounts",
        "CRM accounts",
        None,
        10 * DAY,
        ConnectionState.DRAFT,
        ContentCategory.CRM,
        [Op(ago=11, status=RUNNING, schema=ACCOUNTS, by="CRM export")],
    ),
    Demo(
        "financeshare",
        "Finance file share",
        "Reports and invoices. Over its quota since last week.",
        13 * DAY,
        ConnectionState.LIMIT_EXCEEDED,
        ContentCategory.FILE_REPOSITORY,
        [
            Op(ago=13 * DAY - 20, status=COMPLETED, took=5, schema=FILES, by="File crawler"),
            *nightly("File crawler", started=20, first=12, last=8),
            Op(
                ago=7 * DAY,
                status=FAILED,
                took=140,
                error=QUOTA_ERROR,
                by="File crawler",
                triage=Triage.ACKNOWLEDGED,
                note="More room is ordered, see the ticket of finance.",
            ),
        ],
    ),
    Demo(
        "peopledirectory",
        "People directory",
        "Who is who. The sync reports every run itself.",
        9 * DAY,
        ConnectionState.READY,
        ContentCategory.PEOPLE,
        [
            Op(ago=9 * DAY - 25, status=COMPLETED, took=8, schema=HR, by="People sync"),
            Op(ago=4 * DAY, status=FAILED, took=31, error=LONG_ERROR, by="People sync"),
            Op(ago=3 * DAY, status=FAILED, took=2, error=MARKUP_ERROR, by="People sync"),
            Op(ago=2 * DAY, status=FAILED, took=3, error=INNER_ERROR, by="People sync"),
            Op(ago=DAY, status=FAILED, took=1, by="People sync"),
            Op(ago=130, status=RUNNING, by="People sync", graph_id="people.full-2"),
            Op(ago=9, status=UNSPECIFIED, by="People sync", graph_id="people.delta-17"),
        ],
    ),
    Demo(
        "partnerportal",
        "Partner portal",
        "Offers and contracts of partners. Its schema was never accepted.",
        5 * DAY,
        ConnectionState.DRAFT,
        ContentCategory.QNA,
        [
            Op(
                ago=5 * DAY - 20,
                status=FAILED,
                error=QUOTA_ERROR,
                schema=ACCOUNTS,
                by="Portal export",
                graph_id="5b6d3c04-6d6e-4f2b-9b43-2f6de1a3a001",
                triage=Triage.ACKNOWLEDGED,
                note="Tried again below.",
            ),
            Op(
                ago=4 * DAY,
                status=FAILED,
                error=DETAILS_ERROR,
                schema=ACCOUNTS,
                by="operator",
                graph_id="5b6d3c04-6d6e-4f2b-9b43-2f6de1a3a002",
                retry_of="5b6d3c04-6d6e-4f2b-9b43-2f6de1a3a001",
                triage=Triage.ACKNOWLEDGED,
                note="And again.",
            ),
            Op(
                ago=DAY + 300,
                status=FAILED,
                error=SEED_ERROR,
                schema=ACCOUNTS,
                by="operator",
                graph_id="5b6d3c04-6d6e-4f2b-9b43-2f6de1a3a003",
                retry_of="5b6d3c04-6d6e-4f2b-9b43-2f6de1a3a002",
            ),
        ],
        rule=(1, {"code": "Rehearsed", "message": "An outcome rule of the demo let this fail."}),
    ),
    Demo(
        "legacyintranet",
        "Legacy intranet (retired)",
        "Read-only since the new intranet is up.",
        14 * DAY + 400,
        ConnectionState.OBSOLETE,
        ContentCategory.UNCATEGORIZED,
        [Op(ago=14 * DAY + 380, status=COMPLETED, took=12, schema=WIKI, by="Intranet crawler")],
    ),
    Demo(
        "importedpreview",
        "Imported from a preview tenant",
        "Holds values that this version has no name for.",
        3 * DAY,
        ConnectionState.UNKNOWN_FUTURE_VALUE,
        ContentCategory.UNKNOWN_FUTURE_VALUE,
        [Op(ago=3 * DAY - 5, status=UNKNOWN, by="import", graph_id="import~preview-1")],
    ),
    Demo(
        "productcatalog",
        "Product catalog",
        None,
        25,
        ConnectionState.DRAFT,
        settings={"connector_id": "catalog-connector"},
    ),
]
