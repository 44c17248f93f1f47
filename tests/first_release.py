"""Scripts for processes: a database of the first release with data in it, and what its tables are.

Nothing of today's models is used to fill it, for they know columns that it does not have.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

FIRST = ("operations", "0001_connections_and_operations")
USERS = ("auth", "0012_alter_user_first_name_max_length")
T = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
APP = UUID("11111111-2222-4333-8444-555555555555")
SCHEMA = {
    "baseType": "microsoft.graph.externalItem",
    "properties": [{"name": "title", "type": "string", "isSearchable": True}],
}


def build() -> None:
    """Migrate to the first release, fill it, then walk to this one step by step."""
    call_command("migrate", *FIRST, verbosity=0)
    for app in ("admin", "auth", "contenttypes", "sessions"):
        call_command("migrate", app, verbosity=0)
    fill(MigrationExecutor(connection).loader.project_state([FIRST, USERS]).apps)
    migrations = MigrationExecutor(connection).loader.disk_migrations
    for name in sorted(name for app, name in migrations if app == "operations"):
        call_command("migrate", "operations", name, verbosity=0)
        connection.check_constraints()
    call_command("migrate", verbosity=0)


def fill(apps: Any) -> None:
    def make(model: str, **values: Any) -> Any:
        return apps.get_model("operations", model).objects.create(**values)

    def operation(**values: Any) -> Any:
        asked = {"requested_by": "Crawler", "requested_app_id": APP, "request_id": "r"}
        return make("ConnectionOperation", **asked | values)

    make("Installation", id=1, tenant_id=APP)
    make("SigningKey", kid="k", private_pem="pem")
    roles = ["ExternalConnection.ReadWrite.OwnedBy"]
    application = make("Application", app_id=APP, name="Crawler", roles=roles)
    make("ApplicationSecret", application=application, prefix="abcdef", digest="0" * 64)
    people = apps.get_model("auth", "User").objects
    people.create(username="root", is_superuser=True, is_staff=True)
    people.create(username="maria")
    hr, crm, _, _ = (
        make(
            "ExternalConnection",
            graph_id=name,
            name=name.title(),
            state=state,
            owner_app_id=APP,
            description=None if state % 2 else "Über 'uns' 😀",
        )
        for state, name in enumerate(("contosoHR", "contosoCRM", "contosoOld", "contosoFull"), 1)
    )
    make("AuthorizedApp", connection=hr, app_id=APP)
    make("OutcomeRule", connection=None, remaining=0, error={"code": "Rehearsed"})
    error = {"error_code": "Throttled", "error_message": "Wait 17 s."}
    registration = {"kind": "schemaRegistration", "payload": SCHEMA, "started_at": T}
    failed = operation(
        connection=crm,
        graph_id="failed",
        status=3,
        triage="superseded",
        finished_at=T,
        **registration | error,
    )
    retry = operation(
        connection=crm,
        graph_id="retry",
        status=2,
        retry_of=failed,
        finished_at=T + timedelta(hours=2),
        **registration,
    )
    make(
        "Schema",
        connection=crm,
        version=1,
        base_type=SCHEMA["baseType"],
        properties=SCHEMA["properties"],
        operation=retry,
    )
    held = {"worker": "gone", "lease_until": T, "attempt": 1, "created_at": T}
    operation(connection=hr, graph_id="waiting", status=1, **registration | held)
    for status in range(4):
        operation(
            connection=hr,
            graph_id=f"crawl-{status}",
            kind="reported",
            status=status,
            created_at=T,
            finished_at=T if status > 1 else None,
            **{"triage": "open", **error} if status == 3 else {},
        )
    for action in ("connection.created", "operation.requested", "outcomeRule.changed"):
        make(
            "Change",
            action=action,
            channel="api",
            actor_kind="application",
            actor_name="Crawler",
            connection_key=crm.pk,
            connection_graph_id=crm.graph_id,
            after={"status": "failed"},
        )


def make_from_models() -> None:
    """The tables as the models of today say, without a migration of ours."""
    settings.MIGRATION_MODULES = {"operations": None}
    call_command("migrate", run_syncdb=True, verbosity=0)


def print_tables() -> None:
    """Columns, constraints and indexes as JSON, whatever their order."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for kind, query in CATALOGUE[connection.vendor].items():
            cursor.execute(query)
            for name, *facts in cursor.fetchall():
                found[f"{kind} {name}"] = parts(facts[0]) if kind == "table" else facts
    print(json.dumps(found))


def parts(sql: str) -> list[str]:
    """What stands between the commas of a CREATE TABLE."""
    found, depth = [""], 0
    for sign in sql[sql.index("(") + 1 : sql.rindex(")")]:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return sorted(part.strip() for part in found)


CATALOGUE = {
    "sqlite": {
        "table": "SELECT name, sql FROM sqlite_master WHERE type = 'table' "
        "AND name LIKE 'operations%'",
        "index": "SELECT name, sql FROM sqlite_master WHERE type = 'index' "
        "AND tbl_name LIKE 'operations%' AND sql IS NOT NULL",
    },
    "postgresql": {
        "column": "SELECT table_name || '.' || column_name, data_type, is_nullable, "
        "column_default, character_maximum_length, is_identity, generation_expression "
        "FROM information_schema.columns WHERE table_name LIKE 'operations%'",
        "constraint": "SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE conrelid::regclass::text LIKE 'operations%'",
        "index": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'operations%'",
    },
}


def print_data() -> None:
    """What became of the data, told by the models of today."""
    from django.contrib.auth.models import User

    from operations.models import (
        ApplicationSecret,
        Change,
        ConnectionOperation,
        ErrorGroup,
        ExternalConnection,
        Installation,
        OutcomeCount,
    )

    connections, operations = ExternalConnection.objects, ConnectionOperation.objects
    retry = operations.get(graph_id="retry")
    assert retry.retry_of and retry.registered
    found = {
        "connections": sorted(connections.values_list("graph_id", "state", "description")),
        "members": [row.open_configuration for row in connections.all()],
        "operations": sorted(operations.values_list("graph_id", "status")),
        "retry": [retry.retry_of.graph_id, retry.registered.version],
        "groups": [[group.pattern, group.count] for group in ErrorGroup.objects.all()],
        "counted": sum(OutcomeCount.objects.values_list("count", flat=True)),
        "can be stuck": operations.exclude(overdue_at=None).count(),
        "secrets": list(ApplicationSecret.objects.values_list("prefix", "created_by")),
        "address": Installation.objects.get().address,
        "changes": Change.objects.count(),
        "roles": sorted(User.objects.values_list("username", "groups__name")),
    }
    print(json.dumps(found))
