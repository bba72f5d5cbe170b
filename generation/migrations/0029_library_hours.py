from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """How much was saved in each hour, filled by the next migration; a small thumbnail and a placeholder."""

    dependencies = [
        ("generation", "0028_build_search_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("asset", "small_thumbnail", models.FileField(max_length=200, null=True)),
        migrations.AddField(
            "asset",
            "placeholder",
            models.CharField(
                editable=False,
                help_text="The colours of its halves, as media.formats.Measured.",
                max_length=12,
                null=True,
            ),
        ),
        migrations.AddField("upload", "small_thumbnail", models.FileField(max_length=200, null=True)),
        migrations.AddField("upload", "placeholder", models.CharField(max_length=12, null=True)),
        migrations.AddIndex(
            "asset",
            models.Index(
                fields=["id"],
                name="asset_without_placeholder",
                condition=Q(placeholder=None, completed_at__isnull=False),
            ),
        ),
        migrations.CreateModel(
            name="LibraryHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(help_text="Its beginning.")),
                ("count", models.BigIntegerField()),
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
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "hour"), name="library_hour_once"),
                ],
            },
        ),
    ]
