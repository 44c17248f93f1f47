"""What is stored already is kept as new rows are: signing keys sealed, secrets in texts masked.

Failures keep their fingerprint, and so their group: it was made from the text before.
"""

from django.db import migrations, models
from django.db.models import Value

# Pure functions of a text; old rows masked otherwise than new ones would be wrong.
from operations.masking import mask, mask_json

FAILED = 3
BATCH = 1000
#: The actions whose ``before`` and ``after`` hold an error.
WITH_ERRORS = (
    "operation.failed",
    "operation.reported",
    "operation.updated",
    "operation.deleted",
    "operation.retried",
    "outcomeRule.changed",
)


def seal_keys(apps, schema_editor):
    for key in apps.get_model("operations", "SigningKey").objects.all():
        key.save(update_fields=["private_pem"])


def unseal_keys(apps, schema_editor):
    keys = apps.get_model("operations", "SigningKey").objects
    for key in keys.all():
        plain = Value(key.private_pem, output_field=models.TextField())
        keys.filter(pk=key.pk).update(private_pem=plain)


def mask_texts(apps, schema_editor):
    def rows_of(model):
        return apps.get_model("operations", model).objects.all()

    errors = ("error_code", "error_message", "error_target", "error_details", "error_inner")
    _mask(rows_of("ConnectionOperation").filter(status=FAILED), *errors, "triage_note")
    _mask(rows_of("ErrorGroup"), "pattern", "code", "target")
    _mask(rows_of("OutcomeRule"), "error")
    _mask(rows_of("BulkRun"), "reason", "error")
    _mask(rows_of("Refusal"), "path", "message")
    _mask(rows_of("Change").exclude(note=""), "note")
    _mask(rows_of("Change").filter(action__in=WITH_ERRORS), "before", "after")


def _mask(rows, *fields):
    position = 0
    rows = rows.order_by("pk").only(*fields)
    while batch := list(rows.filter(pk__gt=position)[:BATCH]):
        position = batch[-1].pk
        changed = []
        for row in batch:
            kept = {field: getattr(row, field) for field in fields}
            masked = {
                field: mask(value) if isinstance(value, str) else mask_json(value)
                for field, value in kept.items()
            }
            if masked != kept:
                for field, value in masked.items():
                    setattr(row, field, value)
                changed.append(row)
        rows.model.objects.bulk_update(changed, fields, batch_size=200)


class Migration(migrations.Migration):
    dependencies = [("operations", "0008_sign_ins_and_signing_keys")]

    operations = [
        migrations.RunPython(seal_keys, unseal_keys),
        migrations.RunPython(mask_texts, migrations.RunPython.noop),
    ]
