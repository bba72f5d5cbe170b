"""Waiting jobs of a paused queue stand outside the indexes by which jobs are claimed and placed."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("generation", "0022_workspace_sections")]

    operations = [
        migrations.AddField(
            "job",
            "held_at",
            models.DateTimeField(
                null=True,
                help_text="Since when it waits outside the claim index, as its owner's queue is paused.",
            ),
        ),
        migrations.AddField(
            "ownercounter",
            "queue_paused_at",
            models.DateTimeField(
                null=True, help_text="Since when none of the owner's waiting jobs is to be begun."
            ),
        ),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                condition=Q(held_at=None) | Q(status="queued"), name="job_held_only_queued"
            ),
        ),
        migrations.RemoveIndex("job", "job_claim"),
        migrations.AddIndex(
            "job",
            models.Index(
                "pool",
                F("priority").desc(),
                "fair_tag",
                "id",
                name="job_claim",
                condition=Q(status="queued", retry_at=None, held_at=None),
            ),
        ),
        migrations.RemoveIndex("job", "job_engine_tag"),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["engine", "fair_tag"],
                name="job_engine_tag",
                condition=Q(status="queued", held_at=None),
            ),
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["owner", "fair_tag", "id"], name="job_held", condition=Q(held_at__isnull=False)
            ),
        ),
    ]
