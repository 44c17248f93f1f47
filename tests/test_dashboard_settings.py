"""Settings and health: the checks as badges, the limits in force, no secret, broken parts."""

from uuid import UUID

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations import retention
from operations.models import WorkerHeartbeat
from operations.roles import Role
from tests import factories
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db


def page(client, query=""):
    response = client.get(reverse("settings") + query)
    assert response.status_code == 200
    return response.content.decode()


def test_all_is_well(viewer):
    WorkerHeartbeat.objects.beat("worker-<1>", 0)

    text = page(viewer)

    assert "All is well." in text
    assert text.count("badge-fine") >= 9
    assert "badge-warning" not in text and "badge-failing" not in text
    assert "worker-&lt;1&gt;" in text


def test_what_is_not_well_comes_with_what_to_do_and_a_way_there(viewer):
    factories.make_stuck(factories.report(factories.make_connection()))

    text = page(viewer)

    assert "2 things need somebody." in text  # no worker lives either
    assert "badge-failing" in text and "badge-warning" in text
    assert "Start one: python manage.py run_operations" in text
    assert f'href="{reverse("operations")}?stuck=1&amp;range=all"' in text


def test_a_broken_part_says_so_under_the_request_id(viewer, settings, tmp_path):
    settings.SERVED_CERTIFICATE = str(tmp_path / "gone.pem")

    response = viewer.get(reverse("settings"))

    text = response.content.decode()
    assert response.status_code == 200
    assert "This could not be looked at." in text
    assert response["request-id"] in text
    assert "gone.pem" not in text
    assert "Limits in force" in text


def test_the_limits_in_force_with_their_variables_and_no_secret(settings):
    settings.MAX_BODY_BYTES = 123_456
    settings.THROTTLE_LIMIT = 77
    settings.SECRET_KEY = "a-secret-key-that-nobody-may-see"

    text = page(signed_in(Role.VIEWER))

    for shown in ("123,456 bytes", "MAX_BODY_BYTES", "77 in 10 s", "OPERATION_LEASE", "1 min"):
        assert shown in text
    assert "THROTTLE_LIMITS" not in text
    assert settings.SECRET_KEY not in text
    assert str(settings.DATABASES["default"]["NAME"]) not in text


def test_how_long_what_is_old_is_kept(viewer, settings):
    settings.RETENTION_COMPLETED, settings.RETENTION_FAILED = 30, 0

    text = page(viewer)

    for name, kept in (("RETENTION_COMPLETED", "30 days"), ("RETENTION_FAILED", "for ever")):
        row = text.partition(f"<code>{name}</code>")[0].rpartition("<tr>")[2]
        assert kept in row


def test_when_the_next_retention_is_due(viewer):
    retention.step(factories.COMMAND)

    text = page(viewer)

    assert "No run has ended yet." in text and ">in 23 h</time>" in text


def test_applications_with_a_limit_of_their_own_are_counted(viewer, settings):
    settings.THROTTLE_LIMITS = {UUID(int=1): 5, UUID(int=2): 0}

    text = page(viewer)

    assert "Applications with a limit of their own" in text
    assert "THROTTLE_LIMITS" in text


def test_versions(viewer, settings):
    text = page(viewer)

    assert f"<dd>{settings.VERSION}</dd>" in text
    assert "Django" in text and "Python" in text


def test_the_number_of_queries_is_fixed(viewer):
    def count():
        with CaptureQueriesContext(database) as queries:
            page(viewer)
        return len(queries)

    few = count()
    for number in range(30):
        WorkerHeartbeat.objects.beat(f"worker {number}", number)
        connection = factories.make_connection()
        factories.make_stuck(factories.report(connection))
        factories.request_registration(connection)

    assert count() == few <= 14


def test_the_fragment_is_the_health_alone(viewer):
    text = page(viewer, "?fragment=1")

    assert "Database" in text
    assert "Limits in force" not in text and "csrfmiddlewaretoken" not in text


def test_where_probes_and_metrics_are(viewer, settings):
    text = page(viewer)
    assert "/healthz, /readyz" in text
    assert "/metrics" not in text and "METRICS_TOKEN" in text

    settings.METRICS_TOKEN = "a-token-that-nobody-sees"
    text = page(viewer)
    assert "/metrics" in text and "a-token-that" not in text
