"""Machines make themselves workers; what those that may vanish lose costs no attempt."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import generation.core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0036_warm_preference"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="forgiven_leases",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Leases that workers which may vanish lost, at no attempt's cost."
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="interruptible",
            field=models.BooleanField(
                default=False, editable=False, help_text="It may vanish at any time, as it says itself."
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="machine",
            field=models.UUIDField(
                editable=False, help_text="The id that the machine enrolled with.", null=True
            ),
        ),
        migrations.CreateModel(
            name="Enrolment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("hint", models.CharField(editable=False, help_text="How the token begins.", max_length=12)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_from", models.CharField(blank=True, editable=False, max_length=45)),
                (
                    "name",
                    models.CharField(
                        help_text="Its workers are called so, with a number.", max_length=80, unique=True
                    ),
                ),
                (
                    "engines",
                    models.JSONField(default=list, help_text="The engines that its workers may serve."),
                ),
                ("max_uses", models.PositiveIntegerField(help_text="How many machines may enrol.")),
                ("uses", models.PositiveIntegerField(default=0, editable=False, help_text="How many have.")),
                (
                    "expires_at",
                    models.DateTimeField(help_text="Until when machines may enrol; those that have go on."),
                ),
                (
                    "token_hours",
                    models.PositiveIntegerField(help_text="How long a worker's token lives unless renewed."),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="enrolment_has_a_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("uses__lte", models.F("max_uses"))), name="enrolment_not_overused"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("token_hours__gte", 1)), name="enrolment_tokens_live"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="worker",
            name="enrolment",
            field=models.ForeignKey(
                editable=False,
                help_text="By which it made itself a worker.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="workers",
                to="generation.enrolment",
            ),
        ),
        migrations.AddConstraint(
            model_name="worker",
            constraint=models.UniqueConstraint(fields=("enrolment", "machine"), name="worker_enrolled_once"),
        ),
    ]
