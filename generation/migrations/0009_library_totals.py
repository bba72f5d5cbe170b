from __future__ import annotations

from django.db import migrations, models
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    """Count what each owner has, by the index of the Library, in one statement for each medium."""
    counters = apps.get_model("generation", "OwnerCounter").objects
    for model, column in (("Image", "library_images"), ("Video", "library_videos")):
        assets = apps.get_model("generation", model).objects.filter(saved_at__isnull=False, trashed_at=None)
        mine = assets.filter(owner=OuterRef("pk")).order_by().values("owner")
        number = Subquery(mine.annotate(number=Count("pk")).values("number"))
        size = Subquery(mine.annotate(size=Sum("byte_size")).values("size"))
        counters.update(**{column: Coalesce(number, 0)}, library_bytes=F("library_bytes") + Coalesce(size, 0))


class Migration(migrations.Migration):
    dependencies = [("generation", "0006_standard_words")]

    operations = [
        *(
            migrations.AddField("ownercounter", name, models.BigIntegerField(default=0))
            for name in ("library_images", "library_videos", "library_bytes")
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
