"""How long a worker was given jobs of its warm pools before better ones."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0035_retries_elsewhere")]

    operations = [
        migrations.AddField(
            "worker",
            "preferred_claims",
            models.PositiveSmallIntegerField(
                default=0,
                editable=False,
                help_text="Jobs that it got before better ones since it last kept to their order.",
            ),
        ),
        migrations.AddField(
            "worker",
            "preferred_since",
            models.DateTimeField(null=True, editable=False, help_text="When it got the first of them."),
        ),
    ]
