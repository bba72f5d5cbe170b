from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("generation", "0015_stored_bytes")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["owner", "finished_at"],
                name="job_unsuccessful",
                condition=Q(status__in=["failed", "cancelled"]),
            ),
        ),
    ]
