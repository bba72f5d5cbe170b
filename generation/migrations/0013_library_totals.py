from __future__ import annotations

from django.db import migrations, models
from django.db.models import Count, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    """Count what each owner has in the Library, by its index, in one statement."""
    database = schema_editor.connection.alias
    counters = apps.get_model("generation", "OwnerCounter").objects.using(database)
    assets = (
        apps.get_model("generation", "Asset")
        .objects.using(database)
        .filter(saved_at__isnull=False, trashed_at=None)
    )
    mine = assets.filter(owner=OuterRef("pk")).order_by().values("owner")

    def sum_of(aggregate):
        return Coalesce(Subquery(mine.annotate(sum=aggregate).values("sum")), 0)

    counters.update(
        library_images=sum_of(Count("pk", filter=Q(media="image"))),
        library_videos=sum_of(Count("pk", filter=Q(media="video"))),
        library_bytes=sum_of(Sum("byte_size")),
    )


class Migration(migrations.Migration):
    dependencies = [("generation", "0012_first_virtual_times")]

    operations = [
        *(
            migrations.AddField("ownercounter", name, models.BigIntegerField(default=0))
            for name in ("library_images", "library_videos", "library_bytes")
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
