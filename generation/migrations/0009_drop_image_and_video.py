from __future__ import annotations

from django.db import migrations, models

from generation.migrations._asset_copy import MIGRATING, finish


def finish_copy(apps, schema_editor):
    finish(schema_editor.connection)


def rename_constraints(apps, schema_editor):
    """PostgreSQL's keys still carry the table's first name."""
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            found = schema_editor.connection.introspection.get_constraints(cursor, "generation_asset")
        for name in found:
            if name.startswith(MIGRATING):
                new_name = name.replace(MIGRATING, "generation_asset", 1)
                schema_editor.execute(
                    f'ALTER TABLE generation_asset RENAME CONSTRAINT "{name}" TO "{new_name}"'
                )


class Migration(migrations.Migration):
    """The one table takes its name and its indexes, and the two it was copied from go, all in one transaction."""

    dependencies = [("generation", "0008_copy_assets")]

    operations = [
        migrations.RunPython(finish_copy, migrations.RunPython.noop),
        migrations.DeleteModel("Image"),
        migrations.DeleteModel("Video"),
        migrations.AlterModelTable("asset", None),
        migrations.RunPython(rename_constraints, migrations.RunPython.noop),
        migrations.AddIndex(
            "asset",
            models.Index(
                models.F("owner"),
                models.OrderBy(models.F("saved_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("saved_at__isnull", False), ("trashed_at", None)),
                name="asset_library",
            ),
        ),
        migrations.AddIndex(
            "asset",
            models.Index(
                models.F("owner"),
                models.F("media"),
                models.OrderBy(models.F("saved_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("saved_at__isnull", False), ("trashed_at", None)),
                name="asset_library_media",
            ),
        ),
        migrations.AddIndex(
            "asset",
            models.Index(
                models.F("project"),
                models.OrderBy(models.F("saved_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("saved_at__isnull", False), ("trashed_at", None)),
                name="asset_project",
            ),
        ),
        migrations.AddIndex(
            "asset",
            models.Index(
                models.F("owner"),
                models.OrderBy(models.F("trashed_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("trashed_at__isnull", False)),
                name="asset_trash",
            ),
        ),
        migrations.AddIndex("asset", models.Index(fields=["owner", "revision"], name="asset_changes")),
        migrations.CreateModel(
            name="Image",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("generation.asset",),
        ),
        migrations.CreateModel(
            name="Video",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("generation.asset",),
        ),
    ]
