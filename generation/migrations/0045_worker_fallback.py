from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0044_typed_prompt_and_indexes_of_chores")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="fallback",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="It gets no jobs of an engine that another enabled worker serves, also while that is away.",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="joined_at",
            field=models.DateTimeField(editable=False, help_text="When it first asked for jobs.", null=True),
        ),
    ]
