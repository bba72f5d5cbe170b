from __future__ import annotations

from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone

import generation.models.token


def in_a_year():
    """Tokens from before keep all scopes, and have a year from the upgrade on."""
    return timezone.now() + timedelta(days=365)


class Migration(migrations.Migration):
    dependencies = [("generation", "0013_library_totals")]

    operations = [
        migrations.AddField(
            "personaltoken", "expires_at", models.DateTimeField(default=in_a_year), preserve_default=False
        ),
        migrations.AddField(
            "personaltoken",
            "scopes",
            models.JSONField(default=generation.models.token.all_scopes, editable=False),
        ),
        migrations.AddField(
            "workertoken",
            "expires_at",
            models.DateTimeField(blank=True, help_text="Empty: it does not expire.", null=True),
        ),
        *(
            migrations.AddField(model, name, field)
            for model in ("personaltoken", "workertoken")
            for name, field in (
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_from", models.CharField(blank=True, editable=False, max_length=45)),
            )
        ),
    ]
