"""The bundled workers of before are fallbacks, as `manage.py prepare` registers them from now on."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def bundled_are_fallbacks(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    workers = apps.get_model("generation", "Worker").objects.using(schema_editor.connection.alias)
    workers.filter(name__regex=r"^bundled-[0-9]+$").update(fallback=True)


class Migration(migrations.Migration):
    dependencies = [("generation", "0045_worker_fallback")]

    operations = [migrations.RunPython(bundled_are_fallbacks, migrations.RunPython.noop)]
