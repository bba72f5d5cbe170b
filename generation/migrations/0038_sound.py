from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0037_enrolment")]

    operations = [
        migrations.AddField(
            model_name="asset",
            name="has_audio",
            field=models.BooleanField(help_text="Whether a video has sound, where that is known.", null=True),
        ),
        migrations.AddField(
            model_name="upload",
            name="has_audio",
            field=models.BooleanField(null=True),
        ),
        migrations.AddConstraint(
            model_name="asset",
            constraint=models.CheckConstraint(
                condition=models.Q(("media", "video"), ("has_audio", None), _connector="OR"),
                name="asset_only_videos_have_sound",
            ),
        ),
    ]
