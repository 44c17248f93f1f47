"""Administrators may edit what is in a connection, as they may edit the connection."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MODELS = ("externalitem", "externalgroup", "groupmember", "externalactivity")


def grant(apps, schema_editor):
    # Django makes permissions after all migrations; the group needs them now.
    config = apps.get_app_config("operations")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None

    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="operations", content_type__model__in=MODELS
    )
    for group in apps.get_model("auth", "Group").objects.filter(name="administrator"):
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0016_items_and_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
