"""A job may be wanted only by a deadline."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("generation", "0023_paused_queues")]

    operations = [
        migrations.AddField(
            "job",
            "deadline_at",
            models.DateTimeField(
                null=True, help_text="Cancelled if it still waits then; empty: wanted later too."
            ),
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["deadline_at"],
                name="job_deadline",
                condition=Q(status="queued", deadline_at__isnull=False),
            ),
        ),
    ]
