from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0010_change_lists")]

    operations = [
        migrations.AddIndex(
            model_name="connectionoperation",
            index=models.Index(fields=["created_at", "id"], name="operation_by_created"),
        ),
    ]
