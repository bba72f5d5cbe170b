from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import generation.core.ids
import generation.models.search
from generation.migrations._search_index import drop_index, make_index


class Migration(migrations.Migration):
    """Titles, the search index of each engine, and saved searches."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("generation", "0026_imports"),
    ]

    operations = [
        migrations.AddField(
            "asset", "title", models.CharField(blank=True, db_default="", default="", max_length=200)
        ),
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "tokens",
                    generation.models.search.TokensField(
                        help_text="By assets.search.tokens, each with its owner's key."
                    ),
                ),
                (
                    "asset",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="search_entry",
                        to="generation.asset",
                    ),
                ),
            ],
        ),
        migrations.RunPython(make_index, drop_index),
        migrations.CreateModel(
            name="SearchIndexBuild",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("below", models.UUIDField(help_text="The last id that was looked at.")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=Q(id=1), name="search_index_build_one_row"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedSearch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "folded_name",
                    models.TextField(editable=False, help_text="By core.text.fold, for comparing."),
                ),
                ("query", models.CharField(help_text="The filter as in an address.", max_length=4000)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_searches",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "folded_name"), name="saved_search_name_once_per_owner"
                    ),
                    models.CheckConstraint(condition=~Q(folded_name=""), name="saved_search_has_a_name"),
                ],
            },
        ),
    ]
