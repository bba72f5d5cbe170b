from __future__ import annotations

from django.db import migrations

from generation.migrations._asset_copy import carry, into_one_table, out_of_one_table


def forwards(apps, schema_editor):
    carry(into_one_table(schema_editor.connection))


def backwards(apps, schema_editor):
    carry(out_of_one_table(schema_editor.connection))


class Migration(migrations.Migration):
    """Images and videos are copied into one table, in many short transactions; it may be killed and started again."""

    atomic = False
    dependencies = [("generation", "0007_asset")]

    operations = [migrations.RunPython(forwards, backwards)]
