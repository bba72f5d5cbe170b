from __future__ import annotations

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """The Workspace lists what runs, what waits and what is finished, each by an index of its own."""

    dependencies = [("generation", "0021_search_text_of_old_rows")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(
                *("owner", F("finished_at").desc(), F("id").desc()),
                name="job_finished",
                condition=Q(cleared_at=None, finished_at__isnull=False),
            ),
        ),
        migrations.RemoveIndex("job", "job_staged"),
        # By what needs no parameter: a statement that PostgreSQL has prepared is planned without them.
        migrations.RemoveIndex("job", "job_active"),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["owner", "finished_at", "status", "id"],
                name="job_active",
                condition=Q(finished_at=None),
            ),
        ),
        migrations.AddIndex(
            "asset",
            models.Index(
                fields=["owner", "saved_at", "trashed_at", "job"],
                name="asset_to_review",
                condition=Q(completed_at__isnull=False, saved_at=None, trashed_at=None),
            ),
        ),
    ]
