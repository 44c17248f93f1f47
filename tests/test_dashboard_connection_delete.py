"""Deleting connections: what goes with them, the id that is typed, and what became of it."""

import pytest
from django.urls import reverse
from django.utils import timezone

from operations.models import Action, Change, ExternalConnection, ItemTally, OutcomeRule
from tests import factories

pytestmark = pytest.mark.django_db


def address(graph_id="contosohr"):
    return reverse("delete-connection", args=[graph_id])


def text_of(response):
    return response.content.decode()


def test_the_question_says_what_goes_with_it(administrator):
    connection = factories.make_connection("contosohr", name="<b>Contoso</b>")
    factories.register_schema(connection)
    factories.report(connection)
    OutcomeRule.objects.create(connection=connection, error={"message": "No."})

    text = text_of(administrator.get(address()))

    assert "2 operations, 1 schema version, 1 outcome rule" in text
    assert "Delete &lt;b&gt;Contoso&lt;/b&gt;" in text
    assert ExternalConnection.objects.exists()


def test_a_connection_with_nothing_below_it(administrator):
    factories.make_connection("contosohr")

    assert "Nothing else goes with it" in text_of(administrator.get(address()))


def test_the_typed_id_deletes_it(administrator):
    factories.make_connection("ContosoHR", name="Contoso HR")

    response = administrator.post(address(), {"typed": " contosohr "}, follow=True)

    assert response.redirect_chain == [(reverse("connections"), 302)]
    assert "Contoso HR is deleted. Its id is free again." in text_of(response)
    assert not ExternalConnection.objects.exists()
    requested = Change.objects.get(action=Action.CONNECTION_DELETION_REQUESTED)
    assert (requested.actor_name, requested.channel) == ("administrator", "dashboard")


def test_what_is_large_is_deleted_by_a_worker(administrator, settings):
    settings.PURGE_IN_REQUEST = 0
    factories.report(factories.make_connection("contosohr"))

    response = administrator.post(address(), {"typed": "contosohr"}, follow=True)

    assert "a worker deletes it in steps" in text_of(response)
    assert ExternalConnection.objects.get().deleting_since


@pytest.mark.parametrize("typed", ["", "contoso", "contosohr2"])
def test_another_text_deletes_nothing(administrator, typed):
    factories.make_connection("contosohr")

    response = administrator.post(address(), {"typed": typed})

    assert response.status_code == 400
    assert "What was typed is not “contosohr”. Nothing changed." in text_of(response)
    assert ExternalConnection.objects.get().deleting_since is None


def test_one_that_is_being_deleted_is_left_alone(administrator):
    connection = factories.make_connection("contosohr")
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())

    response = administrator.post(address(), {"typed": "contosohr"}, follow=True)

    assert "It is being deleted already. Nothing changed." in text_of(response)


def test_an_unknown_one_is_not_found(administrator):
    assert administrator.get(address("nobody")).status_code == 404


def test_an_operator_may_not(operator):
    factories.make_connection("contosohr")

    for response in (
        operator.get(address()),
        operator.post(address(), {"typed": "contosohr"}),
        operator.get(reverse("delete-connections") + "?connection=contosohr"),
        operator.post(reverse("delete-connections"), {"connection": "contosohr", "typed": "1"}),
    ):
        assert response.status_code == 403
        assert "This needs the role administrator." in text_of(response)
    assert ExternalConnection.objects.exists()


# Several -----------------------------------------------------------------------------------------


def test_the_selected_ones_and_what_goes_with_them(administrator):
    for name in ("one", "two", "three"):
        factories.report(factories.make_connection(name))

    text = text_of(
        administrator.get(reverse("delete-connections") + "?connection=one&connection=TWO")
    )

    assert "Delete 2 connections" in text
    assert "2 operations" in text
    assert ">three<" not in text


def test_the_typed_number_deletes_them(administrator):
    for name in ("one", "two", "three"):
        factories.make_connection(name)

    response = administrator.post(
        reverse("delete-connections"), {"connection": ["one", "two"], "typed": "2"}, follow=True
    )

    assert "2 connections are deleted." in text_of(response)
    assert [row.graph_id for row in ExternalConnection.objects.all()] == ["three"]


def test_a_number_that_is_no_longer_right_deletes_nothing(administrator):
    """One of them went away since the question was asked."""
    factories.make_connection("one")

    response = administrator.post(
        reverse("delete-connections"), {"connection": ["one", "two"], "typed": "2"}
    )

    assert response.status_code == 400
    assert "What was typed is not “1”." in text_of(response)
    assert ExternalConnection.objects.exists()


def test_nothing_selected(administrator):
    response = administrator.get(reverse("delete-connections") + "?connection=%00", follow=True)

    assert "No connection was selected. Nothing changed." in text_of(response)


def test_items_and_groups_that_go_with_it_are_counted(administrator):
    connection = factories.make_connection("contosohr")
    factories.register_schema(connection)
    factories.fill_items(connection, 2)
    ItemTally.add(connection.pk, created=12_478)
    factories.make_group(connection)

    assert "12,480 items, 1 group, 1 operation" in text_of(administrator.get(address()))
