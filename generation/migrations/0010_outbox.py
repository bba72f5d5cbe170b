from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import generation.core.ids


class Migration(migrations.Migration):
    """What happened, for those who act on it later."""

    dependencies = [
        ("generation", "0009_drop_image_and_video"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(choices=[("job.ended", "Job ended")], max_length=40)),
                ("revision", models.BigIntegerField(help_text="Of the job, when it happened.")),
                ("job_id", models.UUIDField()),
                ("payload", models.JSONField(help_text="What readers need, as it was then.")),
                ("created_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="outbox_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "revision"), name="outbox_once_per_revision"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["job.ended"])), name="outbox_kind_known"
                    ),
                ],
            },
        ),
    ]
