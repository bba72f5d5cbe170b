"""A worker says which pools it withdrew; a retry is kept for other workers for a while."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0034_speeds_of_models")]

    operations = [
        migrations.AddField(
            "worker",
            "degraded",
            models.JSONField(
                default=dict,
                editable=False,
                help_text="Pools that it withdrew for faults of its own: each with reason and since (ISO 8601).",
            ),
        ),
        migrations.AddField(
            "job",
            "elsewhere_until",
            models.DateTimeField(
                null=True, help_text="Until then another worker is to take it, not its last one."
            ),
        ),
    ]
