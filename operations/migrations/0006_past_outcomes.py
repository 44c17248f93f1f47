"""What is stored already gets what new rows get: error groups, counts by day, a time to be stuck."""

from datetime import UTC, timedelta

from django.db import migrations
from django.db.models import F

# Pure functions of an error's text; grouping old failures otherwise than new ones would be wrong.
from operations.fingerprints import fingerprint, pattern

INPROGRESS, COMPLETED, FAILED = 1, 2, 3
BATCH = 2000


def group_and_count(apps, schema_editor):
    operations = apps.get_model("operations", "ConnectionOperation").objects
    group_model = apps.get_model("operations", "ErrorGroup")
    count_model = apps.get_model("operations", "OutcomeCount")

    running = operations.filter(status=INPROGRESS)
    running.update(overdue_at=F("created_at") + timedelta(minutes=30))

    groups, counts = {}, {}
    position = 0
    while True:
        ended = operations.filter(pk__gt=position, status__in=(COMPLETED, FAILED)).order_by("pk")
        rows = list(ended.defer("payload", "error_details", "error_inner")[:BATCH])
        if not rows:
            break
        position = rows[-1].pk
        for row in rows:
            if row.status == FAILED:
                row.fingerprint = fingerprint(row.error_code, row.error_target, row.error_message)
                group = groups.setdefault(
                    row.fingerprint,
                    group_model(
                        fingerprint=row.fingerprint,
                        pattern=pattern(row.error_message or ""),
                        code=row.error_code or "",
                        target=row.error_target or "",
                        count=0,
                        first_seen=row.finished_at,
                        last_seen=row.finished_at,
                    ),
                )
                group.count += 1
                group.first_seen = min(group.first_seen, row.finished_at)
                group.last_seen = max(group.last_seen, row.finished_at)
            key = row.connection_id, row.finished_at.astimezone(UTC).date(), row.fingerprint
            counts[key] = counts.get(key, 0) + 1
        failed = [row for row in rows if row.status == FAILED]
        operations.bulk_update(failed, ["fingerprint"], batch_size=500)
    group_model.objects.bulk_create(groups.values(), batch_size=500)
    count_model.objects.bulk_create(
        (
            count_model(connection_id=connection, day=day, fingerprint=error, count=count)
            for (connection, day, error), count in counts.items()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("operations", "0005_triage_and_history")]

    operations = [migrations.RunPython(group_and_count, migrations.RunPython.noop)]
