# What triage, error groups, actions on many and the history of refusals need.

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0004_replays_and_request_counts'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('run_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('action', models.CharField(choices=[('retry', 'Retry'), ('acknowledge', 'Acknowledge'), ('fail', 'Mark as failed'), ('complete', 'Mark as completed')], max_length=12)),
                ('selection', models.JSONField()),
                ('reason', models.TextField(blank=True)),
                ('error', models.JSONField(blank=True, null=True)),
                ('actor_name', models.CharField(max_length=200)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('last_key', models.BigIntegerField()),
                ('position', models.BigIntegerField(default=0)),
                ('expected', models.PositiveIntegerField()),
                ('done', models.PositiveIntegerField(default=0)),
                ('skipped', models.PositiveIntegerField(default=0)),
                ('refused', models.PositiveIntegerField(default=0)),
                ('reasons', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('finished_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('stopped_by', models.CharField(blank=True, editable=False, max_length=200)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ErrorGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', models.CharField(editable=False, max_length=32, unique=True)),
                ('pattern', models.TextField(blank=True, editable=False, verbose_name='sentence')),
                ('code', models.TextField(blank=True, editable=False)),
                ('target', models.TextField(blank=True, editable=False)),
                ('count', models.BigIntegerField(editable=False)),
                ('first_seen', models.DateTimeField(editable=False)),
                ('last_seen', models.DateTimeField(editable=False)),
                ('resolved_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('resolved_by', models.CharField(blank=True, editable=False, max_length=200)),
                ('ignored_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('cause', models.CharField(blank=True, editable=False, help_text='Id of an entry of the catalogue of causes. Empty: the one that matches.', max_length=100)),
            ],
            options={
                'ordering': ['-last_seen', '-id'],
            },
        ),
        migrations.CreateModel(
            name='OutcomeCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('fingerprint', models.CharField(blank=True, max_length=32)),
                ('count', models.IntegerField()),
            ],
            options={
                'ordering': ['day', 'connection', 'fingerprint'],
            },
        ),
        migrations.CreateModel(
            name='Refusal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('request_id', models.CharField(db_index=True, max_length=64)),
                ('client_request_id', models.CharField(blank=True, db_index=True, max_length=64)),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('method', models.CharField(max_length=10)),
                ('path', models.CharField(max_length=300)),
                ('status', models.PositiveSmallIntegerField()),
                ('code', models.CharField(max_length=100)),
                ('message', models.TextField()),
                ('lack', models.CharField(blank=True, max_length=32)),
                ('app_id', models.UUIDField(null=True)),
                ('needed', models.JSONField(default=list)),
                ('held', models.JSONField(default=list)),
                ('facts', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='WorkerHeartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('held', models.PositiveIntegerField(default=0)),
                ('version', models.CharField(blank=True, max_length=40)),
            ],
            options={
                'ordering': ['-seen_at'],
            },
        ),
        migrations.AlterModelOptions(
            name='connectionoperation',
            options={'ordering': ['-id'], 'permissions': [('read_pages', 'Can read the dashboard'), ('operate', 'Can retry, acknowledge and export'), ('administer', 'Can edit, delete, resolve, and manage applications and settings')]},
        ),
        migrations.RemoveConstraint(
            model_name='change',
            name='change_action_known',
        ),
        migrations.AddField(
            model_name='applicationsecret',
            name='created_by',
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name='applicationsecret',
            name='last_used_address',
            field=models.CharField(blank=True, editable=False, max_length=45),
        ),
        migrations.AddField(
            model_name='connectionoperation',
            name='fingerprint',
            field=models.CharField(blank=True, editable=False, max_length=32),
        ),
        migrations.AddField(
            model_name='connectionoperation',
            name='overdue_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='connectionoperation',
            name='usual_seconds',
            field=models.FloatField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='change',
            name='action',
            field=models.CharField(choices=[('connection.created', 'Connection created'), ('connection.updated', 'Connection changed'), ('connection.deletionRequested', 'Deletion requested'), ('connection.purged', 'Connection deleted'), ('schema.inForce', 'Schema in force'), ('operation.requested', 'Requested'), ('operation.retried', 'Retry requested'), ('operation.started', 'Started'), ('operation.takenOver', 'Taken over from a silent worker'), ('operation.handedBack', 'Handed back to the queue'), ('operation.completed', 'Completed'), ('operation.failed', 'Failed'), ('operation.reported', 'Reported'), ('operation.updated', 'Changed'), ('operation.acknowledged', 'Acknowledged'), ('operation.superseded', 'Superseded by a later success'), ('operation.deleted', 'Operation deleted'), ('application.created', 'Application created'), ('application.updated', 'Application changed'), ('application.secretCreated', 'Secret created'), ('application.secretRevoked', 'Secret revoked'), ('outcomeRule.changed', 'Outcome rule changed'), ('error.resolved', 'Error resolved'), ('error.reopened', 'Error opened again'), ('error.ignored', 'Error ignored for a time'), ('error.causeChanged', 'Cause of an error changed'), ('run.started', 'Action on many started'), ('run.finished', 'Action on many finished')], max_length=40),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(fields=['at'], name='change_by_time'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(fields=['action', 'id'], name='change_by_action'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(condition=models.Q(('actor_app_id__isnull', False)), fields=['actor_app_id', 'id'], name='change_by_application'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(django.db.models.functions.text.Lower('connection_graph_id'), models.F('id'), name='change_by_connection_id'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(fields=['operation_graph_id', 'id'], name='change_by_operation_id'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(fields=['created_at', 'id'], name='operation_by_time'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('status', 1)), fields=['overdue_at'], name='operation_overdue'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('status', 1)), fields=['connection'], name='operation_in_progress'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('status', 2)), fields=['connection', 'kind', 'id'], name='operation_completions'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('fingerprint', ''), _negated=True), fields=['fingerprint', 'id'], name='operation_by_error'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(condition=models.Q(('triage', 'open')), fields=['fingerprint', 'id'], name='operation_open_by_error'),
        ),
        migrations.AddIndex(
            model_name='connectionoperation',
            index=models.Index(fields=['graph_id'], name='operation_by_graph_id', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddConstraint(
            model_name='change',
            constraint=models.CheckConstraint(condition=models.Q(('action__in', ['connection.created', 'connection.updated', 'connection.deletionRequested', 'connection.purged', 'schema.inForce', 'operation.requested', 'operation.retried', 'operation.started', 'operation.takenOver', 'operation.handedBack', 'operation.completed', 'operation.failed', 'operation.reported', 'operation.updated', 'operation.acknowledged', 'operation.superseded', 'operation.deleted', 'application.created', 'application.updated', 'application.secretCreated', 'application.secretRevoked', 'outcomeRule.changed', 'error.resolved', 'error.reopened', 'error.ignored', 'error.causeChanged', 'run.started', 'run.finished'])), name='change_action_known'),
        ),
        migrations.AddIndex(
            model_name='bulkrun',
            index=models.Index(condition=models.Q(('finished_at', None)), fields=['id'], name='bulk_run_unfinished'),
        ),
        migrations.AddConstraint(
            model_name='bulkrun',
            constraint=models.CheckConstraint(condition=models.Q(('action__in', ['retry', 'acknowledge', 'fail', 'complete'])), name='bulk_run_action_known'),
        ),
        migrations.AddIndex(
            model_name='errorgroup',
            index=models.Index(fields=['-last_seen', '-id'], name='error_group_by_last_seen'),
        ),
        migrations.AddField(
            model_name='outcomecount',
            name='connection',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='outcomes', to='operations.externalconnection'),
        ),
        migrations.AddIndex(
            model_name='refusal',
            index=models.Index(fields=['app_id', '-id'], name='refusal_by_app'),
        ),
        migrations.AddIndex(
            model_name='outcomecount',
            index=models.Index(fields=['day', 'fingerprint'], name='outcome_by_day'),
        ),
        migrations.AddIndex(
            model_name='outcomecount',
            index=models.Index(fields=['fingerprint', 'day'], name='outcome_by_error'),
        ),
        migrations.AddConstraint(
            model_name='outcomecount',
            constraint=models.UniqueConstraint(fields=('connection', 'day', 'fingerprint'), name='outcome_count_once'),
        ),
    ]
