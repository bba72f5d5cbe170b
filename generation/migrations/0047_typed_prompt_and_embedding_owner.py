"""What was typed for several prompts, in each of their jobs; an index of all embeddings by owner."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0046_bundled_workers_are_fallbacks")]

    operations = [
        migrations.AlterField(
            "job",
            "typed_prompt",
            models.TextField(
                editable=False,
                help_text="What was typed for several prompts, this one among them; NULL, or empty: the prompt.",
                null=True,
            ),
        ),
        migrations.AddIndex("embedding", models.Index(models.F("owner"), name="embedding_owner")),
    ]
