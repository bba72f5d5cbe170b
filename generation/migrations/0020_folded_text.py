from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

from generation.migrations._folding import fold_names, give_names_back


class Migration(migrations.Migration):
    """Project names are unique by their folded form; assets get a column for the search, filled by the next one."""

    dependencies = [("generation", "0019_asset_rating_and_favourite")]

    operations = [
        migrations.AddField(
            "asset",
            "search_text",
            models.TextField(
                editable=False, help_text="The prompt by core.text.search_key, for searching.", null=True
            ),
        ),
        migrations.AddField("project", "folded_name", models.TextField(default=""), preserve_default=False),
        migrations.RemoveConstraint("project", "project_name_once_per_owner"),
        migrations.RemoveConstraint("project", "project_has_a_name"),
        migrations.AlterField("project", "name", models.CharField(max_length=88)),
        migrations.RunPython(fold_names, give_names_back),
        migrations.AlterField(
            "project",
            "folded_name",
            models.TextField(editable=False, help_text="By core.text.fold, for comparing."),
        ),
        migrations.AddConstraint(
            "project",
            models.UniqueConstraint(fields=("owner", "folded_name"), name="project_folded_name_once"),
        ),
        migrations.AddConstraint(
            "project",
            models.CheckConstraint(condition=~Q(name="") & ~Q(folded_name=""), name="project_has_a_name"),
        ),
    ]
