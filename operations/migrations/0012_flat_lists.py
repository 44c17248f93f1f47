# The indexes that keep lists and pages as quick with a long history as with a short one.

import django.db.models.deletion
import django.db.models.functions.comparison
import operations.models.change
import operations.models.durations
import operations.models.operation_id
import operations.models.texts
from django.db import migrations, models


class AlterCollation(migrations.AlterField):
    """SQLite compares by code point as it is, and would copy the whole table."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class DropIndexOfKey(migrations.AlterField):
    """The same there: only the index goes, and backwards it comes."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            return super().database_forwards(app_label, schema_editor, from_state, to_state)
        model = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        if field.db_index:
            return schema_editor.execute(schema_editor._create_index_sql(model, fields=[field]))
        name = schema_editor._create_index_name(model._meta.db_table, [field.column])
        schema_editor.execute(schema_editor._delete_index_sql(model, name))


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0011_worker_totals'),
    ]

    operations = [
        # first: who reads need not wait while these are made
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('requested_app_id__isnull', False)), fields=['requested_app_id', 'id'], name='operation_by_application'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(operations.models.durations.SecondsBetween(django.db.models.functions.comparison.Coalesce('started_at', 'created_at'), 'finished_at'), name='operation_by_duration'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('retry_of__isnull', False)), fields=['retry_of'], name='operation_retries'),
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
        migrations.AddIndex(
            model_name='change',
            index=models.Index(operations.models.change.ApplicationInvolved(), models.F('id'), name='change_with_application'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(operations.models.change.ApplicationMeant(), models.F('id'), condition=models.Q(('connection_key', None)), name='change_of_application'),
        ),
        # from here on they do
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
        DropIndexOfKey(
            model_name='connectionoperation',
            name='retry_of',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='retries', to='operations.connectionoperation'),
        ),
        migrations.RemoveIndex(
            model_name='change',
            name='change_by_application',
        ),
    ]
