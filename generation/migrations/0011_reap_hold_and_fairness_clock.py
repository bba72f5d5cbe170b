from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0010_outbox")]

    operations = [
        migrations.CreateModel(
            name="FairnessClock",
            fields=[
                ("pool", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("virtual_time", models.BigIntegerField(help_text="In s, as a job's fair_tag.")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("virtual_time__gte", 0)), name="clock_not_negative"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Uptime",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("last_beat_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="uptime_one_row")],
            },
        ),
        migrations.RemoveIndex(model_name="attempt", name="attempt_newest"),
    ]
