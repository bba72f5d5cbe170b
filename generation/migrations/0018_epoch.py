from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0017_reference_canonical_sha256")]

    operations = [
        migrations.AddField(
            "uptime",
            "epoch",
            models.DateTimeField(
                help_text="When serving began after a gap in which the database may have been exchanged.",
                null=True,
            ),
        ),
    ]
