"""The groups viewer, operator and administrator. Who could work before still can.

Everybody who could sign in could retry and acknowledge: they are operators. Who might change and
delete connections in the admin is an administrator.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.models import Q

GROUPS = {
    "viewer": ("read_pages",),
    "operator": ("read_pages", "operate"),
    "administrator": ("read_pages", "operate", "administer"),
}

EDITING = {"change_externalconnection", "delete_externalconnection"}


def make_groups(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("operations")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None

    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="operations"
    )
    groups = {}
    for name, codenames in GROUPS.items():
        groups[name], _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        groups[name].permissions.add(*permissions.filter(codename__in=codenames))
    # an administrator also works in the Django admin
    groups["administrator"].permissions.add(*permissions)

    people = apps.get_model("auth", "User").objects.filter(is_active=True, is_superuser=False)
    for user in people:
        held = permissions.filter(Q(user=user) | Q(group__user=user))
        edits = set(held.filter(codename__in=EDITING).values_list("codename", flat=True))
        is_editor = user.is_staff and edits == EDITING
        user.groups.add(groups["administrator" if is_editor else "operator"])


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0006_past_outcomes"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
