from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import generation.core.ids
from generation.migrations._asset_copy import MIGRATING, out_of_one_table, prepare_drop, require_complete


def check_nothing_is_lost(apps, schema_editor):
    require_complete(out_of_one_table(schema_editor.connection))
    prepare_drop(schema_editor.connection)


class Migration(migrations.Migration):
    """The table for images and videos, under the name it has until 0009.

    Indexes that only serve reading follow in 0009, when the rows are there: that is faster, and takes less of the
    log. The constraints are made with the table, as SQLite can add none later without a copy of it all.
    """

    dependencies = [
        ("generation", "0006_standard_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Asset",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "media",
                    models.CharField(choices=[("image", "Image"), ("video", "Video")], max_length=10),
                ),
                ("image_index", models.PositiveSmallIntegerField(null=True)),
                ("prompt", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("seed", models.BigIntegerField(help_text="Asked of the worker, then what the worker used.")),
                ("error_code", models.CharField(blank=True, max_length=40)),
                ("error_message", models.CharField(blank=True, max_length=500)),
                (
                    "metadata",
                    models.JSONField(default=dict, help_text="What the worker reported about this result."),
                ),
                ("file", models.FileField(blank=True, max_length=200, upload_to="")),
                ("thumbnail", models.FileField(blank=True, max_length=200, upload_to="")),
                ("content_type", models.CharField(blank=True, max_length=40)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("byte_size", models.BigIntegerField(null=True)),
                ("width", models.PositiveIntegerField(help_text="Measured, px.", null=True)),
                ("height", models.PositiveIntegerField(help_text="Measured, px.", null=True)),
                ("duration", models.FloatField(help_text="Measured, s.", null=True)),
                ("frames", models.PositiveIntegerField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("saved_at", models.DateTimeField(help_text="In the Library since.", null=True)),
                ("trashed_at", models.DateTimeField(help_text="In the trash since.", null=True)),
                ("revision", models.BigIntegerField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="assets",
                        to="generation.job",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="assets",
                        to="generation.project",
                    ),
                ),
            ],
            options={
                "db_table": MIGRATING,
                "constraints": [
                    models.UniqueConstraint(fields=("job", "image_index"), name="asset_slot_once_per_job"),
                    models.CheckConstraint(
                        condition=models.Q(media__in=["image", "video"]), name="asset_media_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("media", "image"), ("image_index", None), _connector="OR"),
                        name="asset_only_images_have_index",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("media", "video"),
                            models.Q(("duration", None), ("frames", None)),
                            _connector="OR",
                        ),
                        name="asset_only_videos_have_duration",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(status__in=["queued", "completed", "failed", "cancelled"]),
                        name="asset_status_known",
                    ),
                    models.CheckConstraint(condition=models.Q(seed__gte=0), name="asset_seed_not_negative"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "completed"), _negated=True),
                            models.Q(
                                models.Q(("file", ""), _negated=True),
                                models.Q(("thumbnail", ""), _negated=True),
                                models.Q(("content_type", ""), _negated=True),
                                models.Q(("sha256", ""), _negated=True),
                                ("byte_size__isnull", False),
                                ("completed_at__isnull", False),
                                ("height__isnull", False),
                                ("width__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="asset_completed_has_file",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status", "completed"),
                            models.Q(
                                ("completed_at", None),
                                ("file", ""),
                                ("saved_at", None),
                                ("sha256", ""),
                                ("trashed_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="asset_only_completed_kept",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="asset",
            constraint=models.UniqueConstraint(
                condition=models.Q(image_index=None), fields=("job",), name="asset_one_without_index"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, check_nothing_is_lost),
    ]
