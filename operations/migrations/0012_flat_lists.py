# The indexes that keep lists and pages as quick with a long history as with a short one.

import operations.models.operation_id
import operations.models.texts
from django.db import migrations, models


class AlterCollation(migrations.AlterField):
    """SQLite compares by code point as it is, and would copy the whole table."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0011_worker_totals'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='connectionoperation',
            name='operation_in_progress',
        ),
        migrations.RemoveIndex(
            model_name='connectionoperation',
            name='operation_completions',
        ),
        AlterCollation(
            model_name='connectionoperation',
            name='graph_id',
            field=operations.models.texts.CodePointField(default=operations.models.operation_id.new_operation_id, max_length=128, validators=[operations.models.operation_id.validate_operation_id], verbose_name='id'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(fields=['connection', 'status', 'id'], name='operation_by_conn_and_status'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('kind', 'schemaRegistration')), fields=['connection', 'status', 'id'], name='operation_registrations'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(models.F('connection'), operations.models.texts.ByCodePoint(operations.models.texts.Beginning('error_code', 128)), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('error_code__isnull', False)), name='operation_by_error_code'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(models.F('connection'), operations.models.texts.ByCodePoint(operations.models.texts.Beginning('error_message', 128)), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('error_message__isnull', False)), name='operation_by_error_message'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(models.F('connection'), operations.models.texts.ByCodePoint(operations.models.texts.Beginning('error_target', 128)), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('error_target__isnull', False)), name='operation_by_error_target'),
        ),
    ]
