from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

ENGINES = {"sdxl": "SDXL", "wan": "WAN", "import": "Import"}
JOB_TYPES = {
    "sdxl_image_fast": "SDXL fast",
    "sdxl_image_high": "SDXL high",
    "image_fast": "WAN image fast",
    "image_high": "WAN image high",
    "video_fast": "WAN video fast",
    "video_high": "WAN video high",
    "image7b_fast_enhanced": "WAN image fast, enhanced",
    "image7b_high_enhanced": "WAN image high, enhanced",
    "video7b_fast_enhanced": "WAN video fast, enhanced",
    "video7b_high_enhanced": "WAN video high, enhanced",
    "imported": "Imported",
}
IS_IMPORT = Q(engine="import") | Q(job_type="imported")


class Migration(migrations.Migration):
    """Files of the owner's own become assets of jobs that no worker does. Their seeds may be unknown."""

    dependencies = [("generation", "0025_relations_of_assets")]

    operations = [
        migrations.RemoveConstraint("job", "job_engine_known"),
        migrations.RemoveConstraint("job", "job_type_known"),
        migrations.AlterField(
            "asset",
            "seed",
            models.BigIntegerField(
                null=True,
                help_text="Asked of the worker, then what the worker used; unknown of many imports.",
            ),
        ),
        migrations.AlterField(
            "job", "engine", models.CharField(choices=list(ENGINES.items()), max_length=10)
        ),
        migrations.AlterField(
            "job", "job_type", models.CharField(choices=list(JOB_TYPES.items()), max_length=40)
        ),
        migrations.AddIndex(
            "asset",
            models.Index(fields=["sha256", "owner"], name="asset_sha256", condition=Q(sha256__gt="")),
        ),
        migrations.AddConstraint(
            "job", models.CheckConstraint(condition=Q(engine__in=list(ENGINES)), name="job_engine_known")
        ),
        migrations.AddConstraint(
            "job", models.CheckConstraint(condition=Q(job_type__in=list(JOB_TYPES)), name="job_type_known")
        ),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                condition=Q(engine="import", job_type="imported", status__in=("failed", "completed"))
                | ~IS_IMPORT,
                name="job_import_has_ended",
            ),
        ),
    ]
