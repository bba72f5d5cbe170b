import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import generation.core.ids


class AddColumn(migrations.AddField):
    """Adds a column with a default of the database's: in SQLite Django would copy the table instead."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        model = to_state.apps.get_model(app_label, self.model_name)
        BaseDatabaseSchemaEditor.add_field(schema_editor, model, model._meta.get_field(self.name))


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("generation", "0032_project_totals"),
    ]

    operations = [
        migrations.CreateModel(
            name="Model",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(editable=False, max_length=40, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("advertised_title", models.CharField(editable=False, max_length=120)),
                (
                    "engine",
                    models.CharField(
                        editable=False, help_text="What its worker runs it with.", max_length=40
                    ),
                ),
                ("job_types", models.JSONField(default=list, editable=False)),
                (
                    "sizes",
                    models.JSONField(
                        default=dict, editable=False, help_text="[width, height] px by aspect ratio."
                    ),
                ),
                ("offer", models.JSONField(default=dict, editable=False, help_text="What users may choose.")),
                ("licence_name", models.CharField(blank=True, editable=False, max_length=120)),
                ("licence_url", models.CharField(blank=True, editable=False, max_length=300)),
                (
                    "digest",
                    models.CharField(
                        blank=True, editable=False, help_text="Of what it is made of.", max_length=64
                    ),
                ),
                (
                    "last_seen_at",
                    models.DateTimeField(editable=False, help_text="When a worker advertised it last."),
                ),
                (
                    "title",
                    models.CharField(blank=True, help_text="Empty: as its worker calls it.", max_length=120),
                ),
                (
                    "picture",
                    models.BinaryField(
                        default=bytes, editable=False, help_text="WebP, at most 512 px a side; empty: none."
                    ),
                ),
                (
                    "picture_version",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="Begins the picture's SHA-256.",
                        max_length=16,
                    ),
                ),
                (
                    "is_hidden",
                    models.BooleanField(
                        default=False, help_text="Nobody can choose it.", verbose_name="hidden"
                    ),
                ),
                (
                    "default_for",
                    models.JSONField(
                        blank=True, default=list, help_text="Job types that use it where no model is named."
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ModelOffer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(blank=True, max_length=64)),
                (
                    "offer_digest",
                    models.CharField(
                        blank=True,
                        help_text="Of the settings and sizes that it advertised with the model.",
                        max_length=64,
                    ),
                ),
                (
                    "pools",
                    models.JSONField(default=list, help_text="Those with the model that it offered last."),
                ),
                ("seen_at", models.DateTimeField(help_text="When it advertised the model last.")),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="workerspeed",
            name="speed_once_per_job_type",
        ),
        AddColumn(
            "job",
            "model",
            models.CharField(
                blank=True, db_default="", default="", help_text="Empty: none was named.", max_length=40
            ),
        ),
        AddColumn(
            "job",
            "model_digest",
            models.CharField(
                blank=True, db_default="", default="", help_text="Of the model, at submission.", max_length=64
            ),
        ),
        AddColumn(
            "job",
            "settings",
            models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="What was chosen of the model's offer.",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="advertised",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                editable=False,
                help_text="The job types of each model that it advertised, by name; empty: as its pools say.",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="advertised_digest",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Of all that it advertised of its models.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="workerspeed",
            name="model",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Empty: jobs without one.", max_length=40
            ),
        ),
        migrations.AddConstraint(
            model_name="workerspeed",
            constraint=models.UniqueConstraint(
                fields=("worker", "job_type", "model"), name="speed_once_per_job_type"
            ),
        ),
        migrations.AddField(
            model_name="model",
            name="groups",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who may use it; none: everybody.",
                related_name="models",
                to="auth.group",
            ),
        ),
        migrations.AddField(
            model_name="modeloffer",
            name="model",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="offers", to="generation.model"
            ),
        ),
        migrations.AddField(
            model_name="modeloffer",
            name="worker",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="model_offers",
                to="generation.worker",
            ),
        ),
        migrations.AddConstraint(
            model_name="model",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="model_has_a_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="modeloffer",
            constraint=models.UniqueConstraint(fields=("worker", "model"), name="model_offer_once"),
        ),
    ]
