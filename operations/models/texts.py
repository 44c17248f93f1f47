"""How texts are compared where lists are sorted by them: by code point, on both databases alike."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Func

#: PostgreSQL's name for the order that SQLite has by itself.
BY_CODE_POINT = {"postgresql": "C"}
#: How much of a long text is in the indexes of sorted lists: as much as ``$orderby`` looks at.
SORTED = 128


class ByCodePoint(Func):
    """A text that compares by code point."""

    arity = 1
    template = "%(expressions)s"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template='(%(expressions)s) COLLATE "C"')


class Beginning(Func):
    """So many of a text's first characters. Not ``Left``, whose length is a parameter there: SQLite
    finds no index by an expression with one in it."""

    arity = 1
    template = "SUBSTR(%(expressions)s, 1, %(length)s)"
    output_field = models.TextField()

    def __init__(self, expression: Any, length: int, **extra: Any):
        super().__init__(expression, length=int(length), **extra)


class Octets(Func):
    """How many bytes a text has. SQLite can tell without reading it since 3.43."""

    arity = 1
    function = "OCTET_LENGTH"
    output_field = models.IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        if connection.Database.sqlite_version_info >= (3, 43):
            return self.as_sql(compiler, connection, **context)
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))")


class CodePointField(models.CharField):
    """A text whose column is compared by code point, and so are all of its indexes."""

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        return parameters | {"collation": BY_CODE_POINT.get(connection.vendor)}
