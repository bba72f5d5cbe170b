from __future__ import annotations

from django.db import migrations, models
from django.db.models import F


class Migration(migrations.Migration):
    """What was made from a reference image, by an index."""

    dependencies = [("generation", "0024_deadlines")]

    operations = [
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
