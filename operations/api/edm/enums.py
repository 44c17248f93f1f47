"""The enumerations: words and numbers from where the domain has them, and a sentence for each.

Numbers are Graph's. Words numbered above ``unknownFutureValue`` are shown only to callers that
prefer to see them (graph-contract 2.7).
"""

from __future__ import annotations

from collections.abc import Iterable

from operations.api.edm.kinds import GRAPH, EnumType, Member
from operations.models.enums import ConnectionState, ContentCategory, GraphEnum, OperationStatus
from operations.schema_rules import (
    IMPORTANCE,
    LABELS,
    LABELS_ABOVE_SENTINEL,
    SENTINEL,
    TYPES,
    TYPES_ABOVE_SENTINEL,
)

OF_SENTINEL = "Stands for a value that was added later; never sent by a caller."


def _numbered(start: int, words: Iterable[str], descriptions: dict[str, str]) -> tuple[Member, ...]:
    return tuple(
        Member(word, number, OF_SENTINEL if word == SENTINEL else descriptions[word])
        for number, word in enumerate(words, start)
    )


def numbered(words: dict[str, int], descriptions: dict[str, str]) -> tuple[Member, ...]:
    """The members of an enumeration whose words have their numbers."""
    return tuple(
        Member(word, number, OF_SENTINEL if word == SENTINEL else descriptions[word])
        for word, number in words.items()
    )


def _of_model(kind: type[GraphEnum], descriptions: dict[str, str]) -> tuple[Member, ...]:
    return tuple(
        Member(
            member.word,
            int(member.value),
            OF_SENTINEL if member.word == SENTINEL else descriptions[member.word],
        )
        for member in kind
    )


OPERATION_STATUS = EnumType(
    name="connectionOperationStatus",
    description="How far the asynchronous work of an operation has come.",
    members=_of_model(
        OperationStatus,
        {
            "unspecified": "Nothing is known about the work yet.",
            "inprogress": "The work waits to be started or is being done.",
            "completed": "The work has ended and has taken effect.",
            "failed": "The work has ended without effect; the error may say why.",
        },
    ),
)
CONNECTION_STATE = EnumType(
    name="connectionState",
    description="What a connection is ready for.",
    members=_of_model(
        ConnectionState,
        {
            "draft": "The connection exists and has no registered schema.",
            "ready": "A schema is registered, and content can come in.",
            "obsolete": "Something that the connection relies on was retired; read or delete it.",
            "limitExceeded": "A quota is used up; no new content is taken until there is room.",
        },
    ),
)
CONTENT_CATEGORY = EnumType(
    name="contentCategory",
    description="What kind of content a connection brings in.",
    members=_of_model(
        ContentCategory,
        {
            "uncategorized": "No kind was given.",
            "knowledgeBase": "Articles that explain and instruct.",
            "wikis": "Pages that a team writes together.",
            "fileRepository": "Files and folders.",
            "qna": "Questions and their answers.",
            "crm": "Customers, leads and what was agreed with them.",
            "dashboard": "Reports and charts.",
            "people": "Persons and their profiles.",
            "media": "Pictures, sound and video.",
            "email": "Mail messages.",
            "messaging": "Chats and channels.",
            "meetingTranscripts": "What was said in meetings.",
            "taskManagement": "Tasks, tickets and plans.",
            "learningManagement": "Courses and learning material.",
        },
    ),
)
CONTENT_EXPERIENCE = EnumType(
    name="contentExperienceType",
    description="Where the content of a connection may appear; several words with commas between.",
    beta=True,
    is_flags=True,
    members=(
        Member("search", 1, "In search results."),
        Member("compliance", 2, "In searches for legal and compliance purposes."),
        Member(SENTINEL, 4, OF_SENTINEL),
    ),
)
PROPERTY_TYPE = EnumType(
    name="propertyType",
    description="What values a schema's property holds.",
    members=_numbered(
        0,
        [*TYPES, SENTINEL, *TYPES_ABOVE_SENTINEL],
        {
            "string": "A text.",
            "int64": "A whole number of 64 bits.",
            "double": "A floating-point number.",
            "dateTime": "A point in time.",
            "boolean": "True or false.",
            "stringCollection": "Several texts.",
            "int64Collection": "Several whole numbers.",
            "doubleCollection": "Several floating-point numbers.",
            "dateTimeCollection": "Several points in time.",
            "principal": "A person or group, by an identifier of theirs.",
            "principalCollection": "Several persons or groups.",
        },
    ),
)

_LABEL_DESCRIPTIONS = {
    "title": "The item's title, as results show it.",
    "url": "Where the item opens in its own system.",
    "createdBy": "Who made the item.",
    "lastModifiedBy": "Who changed the item last.",
    "authors": "Everybody who worked on the item.",
    "createdDateTime": "When the item was made.",
    "lastModifiedDateTime": "When the item was changed last.",
    "fileName": "The name of the item's file.",
    "fileExtension": "The extension of the item's file.",
    "containerName": "The name of the site, folder or project that holds the item.",
    "containerUrl": "Where that site, folder or project opens.",
    "iconUrl": "A picture that stands for the item.",
    "assignedToPeople": "Who the item is assigned to.",
    "closedBy": "Who closed the item.",
    "closedDate": "When the item was closed.",
    "priority": "How urgent the item is, in its own system's words.",
    "sprintName": "The sprint that the item belongs to.",
    "tags": "Keywords of the item.",
    "severity": "How grave the item is.",
    "state": "How far the item has come in its own system.",
    "dueDate": "When the item is due.",
    "itemParentId": "The identifier of the item above this one.",
    "itemPath": "The way to the item through its containers.",
    "itemType": "What kind of thing the item is in its own system.",
    "numberOfReactions": "How many reactions the item has had.",
    "parentUrl": "Where the item above this one opens.",
    "priorityNormalized": "How urgent the item is, as a number that compares across systems.",
    "reportedBy": "Who reported the item.",
    "secondaryId": "Another identifier that people know the item by.",
    "personEmails": "A person's mail addresses.",
    "personAddresses": "A person's postal addresses.",
    "personAnniversaries": "Days that matter to a person, such as a birthday.",
    "personName": "A person's names.",
    "personNote": "Notes about a person.",
    "personPhones": "A person's telephone numbers.",
    "personCurrentPosition": "The position that a person holds now.",
    "personWebAccounts": "A person's accounts with other services.",
    "personWebSite": "A person's web sites.",
    "personSkills": "What a person is skilled in.",
    "personProjects": "What a person has worked on.",
    "personAccount": "The directory account of a person.",
    "personAwards": "What a person was honoured with.",
    "personCertifications": "What a person is certified for.",
    "personAssistants": "Who assists a person.",
    "personColleagues": "Who a person works with.",
    "personManager": "Who a person reports to.",
    "personAlternateContacts": "Whom to ask in a person's place.",
    "personEmergencyContacts": "Whom to call in an emergency.",
    "personEducationalActivities": "Where a person studied.",
    "personInterests": "What a person is interested in.",
    "personLanguages": "The languages that a person speaks.",
    "personPublications": "What a person has published.",
    "personPatents": "A person's patents.",
    "personWorkPositions": "The positions that a person has held.",
}
LABEL_SENTINEL = 12  # Graph leaves 9 to 11 free
LABEL = EnumType(
    name="label",
    description="What a schema's property means, so that search can show and rank items by it.",
    members=(
        *_numbered(0, LABELS, _LABEL_DESCRIPTIONS),
        *_numbered(LABEL_SENTINEL, [SENTINEL, *LABELS_ABOVE_SENTINEL], _LABEL_DESCRIPTIONS),
    ),
)
IMPORTANCE_SCORE = EnumType(
    name="importanceScore",
    description="How much a property counts when results are ranked.",
    beta=True,
    members=_numbered(
        0,
        [*IMPORTANCE, SENTINEL],
        {
            "low": "Counts little.",
            "medium": "Counts as usual.",
            "high": "Counts much.",
            "veryHigh": "Counts more than all others.",
        },
    ),
)
RULE_OPERATION = EnumType(
    name="ruleOperation",
    description="How a rule compares a property with its values.",
    members=_numbered(
        0,
        "null equals notEquals contains notContains lessThan greaterThan startsWith".split()
        + [SENTINEL],
        {
            "null": "The property has no value.",
            "equals": "The property equals the value.",
            "notEquals": "The property differs from the value.",
            "contains": "The property contains the value.",
            "notContains": "The property does not contain the value.",
            "lessThan": "The property is less than the value.",
            "greaterThan": "The property is greater than the value.",
            "startsWith": "The property begins with the value.",
        },
    ),
)
BINARY_OPERATOR = EnumType(
    name="binaryOperator",
    namespace=GRAPH,
    description="How several conditions are joined.",
    members=(Member("or", 0, "One of them is enough."), Member("and", 1, "All must hold.")),
)
