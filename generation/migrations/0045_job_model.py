"""Whether a job names a model is asked of each model that no worker has any more."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0042_file_deletion")]

    operations = [migrations.AddIndex("job", models.Index(fields=["model"], name="job_model"))]
