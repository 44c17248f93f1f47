# What may happen to items and groups by hand. Alone: who makes a change waits while all are checked.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0013_rare_changes'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='change',
            name='change_action_known',
        ),
        migrations.AlterField(
            model_name='change',
            name='action',
            field=models.CharField(choices=[('connection.created', 'Connection created'), ('connection.updated', 'Connection changed'), ('connection.deletionRequested', 'Deletion requested'), ('connection.purged', 'Connection deleted'), ('schema.inForce', 'Schema in force'), ('operation.requested', 'Requested'), ('operation.retried', 'Retry requested'), ('operation.started', 'Started'), ('operation.takenOver', 'Taken over from a silent worker'), ('operation.handedBack', 'Handed back to the queue'), ('operation.completed', 'Completed'), ('operation.failed', 'Failed'), ('operation.reported', 'Reported'), ('operation.updated', 'Changed'), ('operation.acknowledged', 'Acknowledged'), ('operation.superseded', 'Superseded by a later success'), ('operation.deleted', 'Operation deleted'), ('item.written', 'Item written by hand'), ('item.deleted', 'Item deleted by hand'), ('group.created', 'Group created'), ('group.updated', 'Group changed'), ('group.deleted', 'Group deleted'), ('group.memberAdded', 'Member added'), ('group.memberRemoved', 'Member removed'), ('application.created', 'Application created'), ('application.updated', 'Application changed'), ('application.secretCreated', 'Secret created'), ('application.secretRevoked', 'Secret revoked'), ('outcomeRule.changed', 'Outcome rule changed'), ('error.resolved', 'Error resolved'), ('error.reopened', 'Error opened again'), ('error.ignored', 'Error ignored for a time'), ('error.causeChanged', 'Cause of an error changed'), ('signingKey.rotated', 'Signing key rotated'), ('run.started', 'Action on many started'), ('run.finished', 'Action on many finished'), ('retention.applied', 'Old records removed'), ('data.restored', 'Restored from a backup')], max_length=40),
        ),
        migrations.AddConstraint(
            model_name='change',
            constraint=models.CheckConstraint(condition=models.Q(('action__in', ['connection.created', 'connection.updated', 'connection.deletionRequested', 'connection.purged', 'schema.inForce', 'operation.requested', 'operation.retried', 'operation.started', 'operation.takenOver', 'operation.handedBack', 'operation.completed', 'operation.failed', 'operation.reported', 'operation.updated', 'operation.acknowledged', 'operation.superseded', 'operation.deleted', 'item.written', 'item.deleted', 'group.created', 'group.updated', 'group.deleted', 'group.memberAdded', 'group.memberRemoved', 'application.created', 'application.updated', 'application.secretCreated', 'application.secretRevoked', 'outcomeRule.changed', 'error.resolved', 'error.reopened', 'error.ignored', 'error.causeChanged', 'signingKey.rotated', 'run.started', 'run.finished', 'retention.applied', 'data.restored'])), name='change_action_known'),
        ),
    ]
