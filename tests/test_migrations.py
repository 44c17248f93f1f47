"""A database of an earlier release, with data in it, becomes one of this release."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import CreateModel

from operations.models import ExternalConnection
from tests import first_release

FAILED_AT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


@pytest.fixture
def migrate(transactional_db):
    """Migrate to a state of ``operations`` and return its models; at the end all is up to date."""

    def to(name):
        executor = MigrationExecutor(connection)
        executor.migrate([("operations", name)])
        return MigrationExecutor(connection).loader.project_state([("operations", name)]).apps

    yield to
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_past_outcomes_are_counted_and_grouped(migrate):
    old = migrate("0004_replays_and_request_counts")
    contoso = old.get_model("operations", "ExternalConnection").objects.create(
        graph_id="contosohr", name="Contoso HR"
    )
    operations = old.get_model("operations", "ConnectionOperation").objects
    common = {"connection": contoso, "kind": "reported"}
    for number in range(3):
        operations.create(
            **common,
            graph_id=f"failed-{number}",
            status=3,
            triage="open",
            error_code="SourceUnreachable",
            error_message=f"No answer within {number} s.",
            finished_at=FAILED_AT + timedelta(hours=number),
        )
    operations.create(**common, graph_id="done", status=2, finished_at=FAILED_AT)
    operations.create(**common, graph_id="running", status=1, created_at=FAILED_AT)

    new = migrate("0006_past_outcomes")

    rows = new.get_model("operations", "ConnectionOperation").objects
    [fingerprint] = set(rows.filter(status=3).values_list("fingerprint", flat=True))
    group = new.get_model("operations", "ErrorGroup").objects.get()
    assert group.fingerprint == fingerprint != ""
    assert (group.pattern, group.count) == ("No answer within {number} s.", 3)
    assert (group.first_seen, group.last_seen) == (FAILED_AT, FAILED_AT + timedelta(hours=2))
    counts = new.get_model("operations", "OutcomeCount").objects
    assert sorted(counts.values_list("day__day", "fingerprint", "count")) == [
        (20, "", 1),
        (20, fingerprint, 1),
        (21, fingerprint, 2),
    ]
    assert rows.get(graph_id="running").overdue_at == FAILED_AT + timedelta(minutes=30)
    assert not rows.exclude(graph_id="running").exclude(overdue_at=None).exists()


def test_who_could_work_before_still_can(migrate, django_user_model):
    migrate("0006_past_outcomes")
    people = django_user_model.objects
    people.create_user("plain")
    people.create_user("gone", is_active=False)
    people.create_superuser("root")
    content = ContentType.objects.get_for_model(ExternalConnection)
    for name, codenames in (("reader", ["view"]), ("editor", ["view", "change", "delete"])):
        user = people.create_user(name, is_staff=True)
        for codename in codenames:
            permission, _ = Permission.objects.get_or_create(
                codename=f"{codename}_externalconnection", content_type=content
            )
            user.user_permissions.add(permission)
    people.create_user("grouped").groups.add(Group.objects.create(name="night shift"))

    migrate("0007_roles")

    assert sorted(people.values_list("username", "groups__name")) == [
        ("editor", "administrator"),
        ("gone", None),
        ("grouped", "night shift"),
        ("grouped", "operator"),
        ("plain", "operator"),
        ("reader", "operator"),
        ("root", None),
    ]


#: The last migration of the release before: raise it with each release.
RELEASE_BEFORE = "0009_seal_and_mask"


def test_the_release_before_goes_on_while_the_database_is_upgraded(migrate):
    """Its processes write and read the tables of this one until they are replaced."""
    executor = MigrationExecutor(connection)
    state = executor.loader.project_state([("operations", RELEASE_BEFORE), first_release.USERS])

    first_release.fill(state.apps)

    for model in state.apps.get_app_config("operations").get_models():
        for row in model.objects.all():
            row.save()


def test_no_migration_takes_two_tables_from_those_who_work():
    """Requests come to tables in an order of their own: who holds one and waits for another may be
    waited for by a request that holds that one. True of all migrations since 0013."""
    found = {}
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app == "operations" and name > "0013":
            steps = migration.operations
            new = {step.name_lower for step in steps if isinstance(step, CreateModel)}
            altered = {step.model_name_lower for step in steps if hasattr(step, "model_name")}
            found[name] = altered - new

    assert {name for name, tables in found.items() if len(tables) > 1} == set(), found
    assert found["0014_more_actions"] == {"change"}


def test_keys_are_sealed_and_secrets_in_what_was_kept_are_masked(migrate):
    old = migrate("0008_sign_ins_and_signing_keys")
    said = "Refused: client_secret=hunter2."
    contoso = old.get_model("operations", "ExternalConnection").objects.create(
        graph_id="contosohr", name="Contoso HR"
    )
    operations = old.get_model("operations", "ConnectionOperation").objects
    failure = {"connection": contoso, "kind": "reported", "status": 3, "finished_at": FAILED_AT}
    operations.create(
        **failure,
        graph_id="one",
        fingerprint="f",
        error_message=said,
        error_inner={"password": "hunter2", "n": [said]},
        triage_note=said,
    )
    operations.create(**failure, graph_id="two", error_message="No answer.", error_details=[])
    error = {"message": said}
    old.get_model("operations", "ErrorGroup").objects.create(
        fingerprint="f", pattern=said, count=1, first_seen=FAILED_AT, last_seen=FAILED_AT
    )
    old.get_model("operations", "OutcomeRule").objects.create(error=error)
    who = {"channel": "api", "actor_kind": "application", "actor_name": "x"}
    old.get_model("operations", "Change").objects.create(
        **who, action="operation.failed", note=said, before=None, after={"error": error}
    )
    keys = old.get_model("operations", "SigningKey").objects
    keys.create(kid="k")
    plain = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE operations_signingkey SET private_pem = %s", [plain])
    updated = set(operations.values_list("graph_id", "changed_at"))

    new = migrate("0009_seal_and_mask")

    masked = "Refused: client_secret=***."
    rows = new.get_model("operations", "ConnectionOperation").objects
    one = rows.get(graph_id="one")
    assert (one.error_message, one.triage_note, one.fingerprint) == (masked, masked, "f")
    assert one.error_inner == {"password": "***", "n": [masked]}
    assert (one.error_code, one.error_details) == (None, None)
    two = rows.get(graph_id="two")
    assert (two.error_message, two.error_details) == ("No answer.", [])
    assert set(rows.values_list("graph_id", "changed_at")) == updated, "tags stay"
    assert new.get_model("operations", "ErrorGroup").objects.get().pattern == masked
    assert new.get_model("operations", "OutcomeRule").objects.get().error == {"message": masked}
    change = new.get_model("operations", "Change").objects.get()
    assert (change.note, change.before) == (masked, None)
    assert change.after == {"error": {"message": masked}}
    assert new.get_model("operations", "SigningKey").objects.get().private_pem == plain
    assert _stored_key() != plain

    migrate("0008_sign_ins_and_signing_keys")

    assert _stored_key() == plain, "an earlier version can read it"


def _stored_key():
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_pem FROM operations_signingkey")
        return cursor.fetchone()[0]
