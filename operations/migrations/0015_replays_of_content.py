# Alone: requests come to this table before or behind that of connections, and the two would wait for
# each other.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0014_more_actions'),
    ]

    operations = [
        migrations.AddField(
            model_name='replay',
            name='content_key',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='replay',
            name='content_kind',
            field=models.CharField(blank=True, db_default='', default='', max_length=16),
        ),
    ]
