from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0016_unsuccessful_jobs")]

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
