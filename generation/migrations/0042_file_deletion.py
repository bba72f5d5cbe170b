from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0041_search_entry_saved_at_of_old_rows")]

    operations = [
        migrations.CreateModel(
            name="FileDeletion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(help_text="In the storage.", max_length=200)),
                ("due_at", models.DateTimeField(db_index=True)),
            ],
        )
    ]
