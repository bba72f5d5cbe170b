from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Tables, columns, indexes and constraints take the words of the glossary. Rows stay as they are."""

    dependencies = [("generation", "0005_newest_attempts")]

    operations = [
        migrations.RemoveConstraint(model_name="ownercounter", name="counter_horizon_in_past"),
        migrations.RenameField(model_name="ownercounter", old_name="horizon", new_name="oldest_revision"),
        migrations.AddConstraint(
            model_name="ownercounter",
            constraint=models.CheckConstraint(
                condition=models.Q(oldest_revision__gte=0, oldest_revision__lte=models.F("revision")),
                name="counter_oldest_in_past",
            ),
        ),
        migrations.RemoveConstraint(model_name="purged", name="purged_media_known"),
        migrations.RenameModel(old_name="Purged", new_name="Tombstone"),
        migrations.RenameIndex(
            model_name="tombstone", old_name="purged_changes", new_name="tombstone_changes"
        ),
        migrations.RenameIndex(model_name="tombstone", old_name="purged_age", new_name="tombstone_age"),
        migrations.AddConstraint(
            model_name="tombstone",
            constraint=models.CheckConstraint(
                condition=models.Q(media__in=["image", "video"]), name="tombstone_media_known"
            ),
        ),
        migrations.RenameModel(old_name="Allowance", new_name="UserQuota"),
        migrations.RemoveConstraint(model_name="pace", name="pace_once_per_job_type"),
        migrations.RemoveConstraint(model_name="pace", name="pace_positive"),
        migrations.RemoveConstraint(model_name="pace", name="pace_has_a_source"),
        migrations.RenameModel(old_name="Pace", new_name="WorkerSpeed"),
        migrations.AlterField(
            model_name="workerspeed",
            name="worker",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="speeds",
                to="generation.worker",
            ),
        ),
        migrations.AddConstraint(
            model_name="workerspeed",
            constraint=models.UniqueConstraint(fields=("worker", "job_type"), name="speed_once_per_job_type"),
        ),
        migrations.AddConstraint(
            model_name="workerspeed",
            constraint=models.CheckConstraint(condition=models.Q(seconds__gt=0), name="speed_positive"),
        ),
        migrations.AddConstraint(
            model_name="workerspeed",
            constraint=models.CheckConstraint(
                condition=models.Q(benchmark=None, samples__gt=0)
                | models.Q(benchmark__isnull=False, benchmark__gt=0),
                name="speed_has_a_source",
            ),
        ),
    ]
