"""For two chores: whether a job names a model, and the videos of which nobody knows whether they have sound."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0042_file_deletion")]

    operations = [
        migrations.AddIndex("job", models.Index(fields=["model"], name="job_model")),
        migrations.AddIndex(
            "asset",
            models.Index(
                fields=["id"],
                name="asset_unknown_sound",
                condition=models.Q(has_audio=None, frames__isnull=False),
            ),
        ),
    ]
