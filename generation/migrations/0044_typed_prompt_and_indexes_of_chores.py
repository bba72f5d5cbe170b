"""What was typed for several prompts; for chores, the models of jobs and the videos of unknown sound."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0043_embeddings")]

    operations = [
        migrations.AddField(
            "job",
            "typed_prompt",
            models.TextField(
                editable=False,
                help_text="What was typed for several prompts: of the first of their jobs; empty of the others.",
                null=True,
            ),
        ),
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
