from __future__ import annotations

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """What an asset was made from, and what was made from it, each by an index."""

    dependencies = [("generation", "0022_workspace_sections")]

    operations = [
        migrations.AddIndex(
            "asset",
            models.Index(
                fields=["owner", "sha256"],
                name="asset_same_bytes",
                condition=Q(sha256__gt=""),
            ),
        ),
        migrations.AddIndex(
            "jobreference", models.Index("reference", F("job").desc(), name="reference_uses")
        ),
        # The index above begins with it.
        migrations.AlterField(
            "jobreference",
            "reference",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=models.SET_NULL,
                related_name="uses",
                to="generation.reference",
            ),
        ),
    ]
