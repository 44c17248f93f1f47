"""Who asks for an item to be new, or as it was, while another one's write is under way."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import transaction

from operations import ingestion
from operations.errors import NameAlreadyExists, PreconditionFailed
from operations.models import ExternalItem
from operations.models.container import Container
from operations.preconditions import Precondition
from tests.at_once import in_a_thread
from tests.factories import COMMAND, make_connection, put_item, register_schema
from tests.ready import tallied

MINE = {"acl": [], "properties": {"title": "Mine"}}

if not settings.EMBEDDED_DATABASE:  # whose transactions take turns
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def connection():
        connection = make_connection()
        register_schema(connection)
        return connection

    def after(connection, act, call):
        """What the call comes to, which finds ``act`` not yet committed and waits for it."""
        container = Container.of(connection)
        with transaction.atomic():
            act(container)
            thread, answers = in_a_thread(lambda: call(container))
            thread.join(0.5)
            assert not answers
        thread.join(20)
        return answers[0]

    def theirs(container):
        """Another one's write, under the same id."""
        ingestion.put(container, "one", {"acl": [], "properties": {"title": "Theirs"}}, COMMAND)

    def only_if(header, tag):
        condition = Precondition.of(**{"if_match": None, "if_none_match": None, header: tag})
        return lambda container: ingestion.put(container, "one", MINE, COMMAND, only_if=condition)

    def test_a_create_does_not_replace_what_has_come_meanwhile(connection):
        refusal = after(connection, theirs, lambda c: ingestion.create(c, "one", MINE, COMMAND))
        assert isinstance(refusal, NameAlreadyExists)
        assert str(refusal).endswith("has an item with the id 'one' already.")
        assert ExternalItem.objects.get().properties == {"title": "Theirs"}
        assert tallied(connection) == tallied() == 1

    def test_nor_does_a_put_of_what_is_not_to_be_there(connection):
        refusal = after(connection, theirs, only_if("if_none_match", "*"))
        assert isinstance(refusal, PreconditionFailed)
        assert refusal.target == "If-None-Match"
        assert ExternalItem.objects.get().properties == {"title": "Theirs"}
        assert tallied(connection) == 1

    def test_what_was_seen_is_no_longer_there(connection):
        seen = put_item(connection).etag
        refusal = after(connection, theirs, only_if("if_match", seen))
        assert isinstance(refusal, PreconditionFailed) and refusal.target == "If-Match"
        assert ExternalItem.objects.get().properties == {"title": "Theirs"}

    def test_what_was_seen_is_gone(connection):
        seen = put_item(connection).etag
        refusal = after(
            connection, lambda c: ingestion.delete(c, "one", COMMAND), only_if("if_match", seen)
        )
        assert isinstance(refusal, PreconditionFailed)
        assert "the resource does not exist" in refusal.message
        assert not ExternalItem.objects.exists() and tallied(connection) == 0
