from __future__ import annotations

from django.db import migrations


def forget(apps, schema_editor):
    """Before speeds are of a job type alone again."""
    speeds = apps.get_model("generation", "WorkerSpeed").objects.using(schema_editor.connection.alias)
    speeds.exclude(model="").delete()


class Migration(migrations.Migration):
    dependencies = [("generation", "0033_models")]

    operations = [migrations.RunPython(migrations.RunPython.noop, forget)]
