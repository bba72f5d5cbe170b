from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def bundled_are_fallbacks(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """As `manage.py prepare` registers them from now on."""
    workers = apps.get_model("generation", "Worker").objects.using(schema_editor.connection.alias)
    workers.filter(name__regex=r"^bundled-[0-9]+$").update(fallback=True)


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0044_typed_prompt_and_indexes_of_chores"),
    ]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="fallback",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="It gets no jobs of an engine that another enabled worker serves, also while that is away.",
            ),
        ),
        migrations.RunPython(bundled_are_fallbacks, migrations.RunPython.noop),
    ]
