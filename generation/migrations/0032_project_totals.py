from __future__ import annotations

from django.db import migrations
from django.db.models import Count, Q, Sum


def fill(apps, schema_editor):
    """Count what each project has, by its index: one short statement for each, and again if it is stopped."""
    database = schema_editor.connection.alias
    projects = apps.get_model("generation", "Project").objects.using(database)
    assets = apps.get_model("generation", "Asset").objects.using(database)
    kept = Q(saved_at__isnull=False, trashed_at=None)
    for project_id in list(projects.values_list("pk", flat=True)):
        sums = assets.filter(project_id=project_id, status="completed").aggregate(
            images=Count("pk", filter=kept & Q(media="image")),
            videos=Count("pk", filter=kept & Q(media="video")),
            bytes=Sum("byte_size", filter=kept),
            stored=Sum("byte_size"),
        )
        projects.filter(pk=project_id).update(
            library_images=sums["images"],
            library_videos=sums["videos"],
            library_bytes=sums["bytes"] or 0,
            stored_bytes=sums["stored"] or 0,
        )


def free_names(apps, schema_editor):
    """Before the names of deleted projects are compared again."""
    projects = apps.get_model("generation", "Project").objects.using(schema_editor.connection.alias)
    for project_id in list(projects.filter(deleted_at__isnull=False).values_list("pk", flat=True)):
        projects.filter(pk=project_id).update(folded_name=str(project_id))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("generation", "0031_organising")]

    operations = [migrations.RunPython(fill, free_names)]
