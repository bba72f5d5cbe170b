from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Since when what a search entry finds is in the Library."""

    dependencies = [("generation", "0039_received_sha256")]

    operations = [
        migrations.AddField(
            "searchentry",
            "saved_at",
            models.DateTimeField(help_text="In the Library since; NULL: not there.", null=True),
        )
    ]
