"""Graph's enumerations: the number stored is Graph's, the label is the word on the wire."""

from __future__ import annotations

from functools import cache
from typing import Self

from django.db import models


class GraphEnum(models.IntegerChoices):
    """Numbers that order it (``$orderby``), labels that are the words on the wire."""

    @property
    def word(self) -> str:
        return str(self.label)

    @classmethod
    @cache
    def _words(cls) -> dict[int, str]:
        return {member.value: member.word for member in cls}

    @classmethod
    def word_of(cls, number: int) -> str:
        """The word for a stored number."""
        return cls._words()[number]

    @classmethod
    def from_word(cls, word: object) -> Self | None:
        """The member for a word in any case, as Graph's connectors take it; None for all else."""
        if not isinstance(word, str):
            return None
        folded = word.casefold()
        return next((member for member in cls if member.word.casefold() == folded), None)

    @classmethod
    def words(cls) -> list[str]:
        """What a caller may send: every word but the sentinel."""
        return [member.word for member in cls if member.word != "unknownFutureValue"]


class OperationStatus(GraphEnum):
    """``microsoft.graph.externalConnectors.connectionOperationStatus``."""

    UNSPECIFIED = 0, "unspecified"
    INPROGRESS = 1, "inprogress"
    COMPLETED = 2, "completed"
    FAILED = 3, "failed"
    UNKNOWN_FUTURE_VALUE = 4, "unknownFutureValue"


class ConnectionState(GraphEnum):
    """``microsoft.graph.externalConnectors.connectionState``."""

    DRAFT = 1, "draft"
    READY = 2, "ready"
    OBSOLETE = 3, "obsolete"
    LIMIT_EXCEEDED = 4, "limitExceeded"
    UNKNOWN_FUTURE_VALUE = 5, "unknownFutureValue"


class ContentCategory(GraphEnum):
    """``microsoft.graph.externalConnectors.contentCategory``."""

    UNCATEGORIZED = 0, "uncategorized"
    KNOWLEDGE_BASE = 1, "knowledgeBase"
    WIKIS = 2, "wikis"
    FILE_REPOSITORY = 3, "fileRepository"
    QNA = 4, "qna"
    CRM = 5, "crm"
    DASHBOARD = 6, "dashboard"
    PEOPLE = 7, "people"
    MEDIA = 8, "media"
    EMAIL = 9, "email"
    MESSAGING = 10, "messaging"
    MEETING_TRANSCRIPTS = 11, "meetingTranscripts"
    TASK_MANAGEMENT = 12, "taskManagement"
    LEARNING_MANAGEMENT = 13, "learningManagement"
    UNKNOWN_FUTURE_VALUE = 14, "unknownFutureValue"
