from __future__ import annotations

from django.db import migrations, models
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    """Count the bytes of each owner's results, by its index, in one statement."""
    database = schema_editor.connection.alias
    counters = apps.get_model("generation", "OwnerCounter").objects.using(database)
    results = apps.get_model("generation", "Asset").objects.using(database).filter(status="completed")
    mine = results.filter(owner=OuterRef("pk")).order_by().values("owner")
    counters.update(stored_bytes=Coalesce(Subquery(mine.annotate(sum=Sum("byte_size")).values("sum")), 0))


class Migration(migrations.Migration):
    dependencies = [("generation", "0014_token_scopes_and_expiry")]

    operations = [
        migrations.AddField(
            "ownercounter",
            "stored_bytes",
            models.BigIntegerField(
                default=0, help_text="Of all results: in the Library, under review and in the trash."
            ),
        ),
        migrations.AddField(
            "userquota",
            "storage_bytes",
            models.PositiveBigIntegerField(
                blank=True,
                help_text="Most bytes of results; 0: no limit, empty: the site's STORAGE_QUOTA_BYTES.",
                null=True,
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
