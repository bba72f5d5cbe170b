from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import generation.core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0030_library_hours_of_old_rows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkOperation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("actor", models.JSONField(help_text="Who asked for it: kind and id, as in the audit log.")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("favourite", "Favourite"),
                            ("rate", "Rate"),
                            ("add_tag", "Add a tag"),
                            ("remove_tag", "Take a tag off"),
                            ("add_collection", "Add to a collection"),
                            ("remove_collection", "Take out of a collection"),
                            ("move", "Move to a project"),
                            ("discard", "Discard"),
                            ("restore", "Restore"),
                            ("delete", "Delete for good"),
                            ("dissolve", "Move all of a project away"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "value",
                    models.JSONField(
                        default=dict, help_text="What the action needs: stars, a tag, a project."
                    ),
                ),
                ("value_name", models.CharField(blank=True, help_text="For its sentence.", max_length=88)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("library", "Library"),
                            ("trash", "Trash"),
                            ("project", "Project"),
                            ("group", "Collection or tag"),
                            ("selection", "Selection"),
                        ],
                        max_length=10,
                    ),
                ),
                ("query", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("undoing", "Undoing"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("undone", "Undone"),
                            ("failed", "Failed"),
                        ],
                        max_length=10,
                    ),
                ),
                ("wants_undo", models.BooleanField(default=False)),
                ("total", models.IntegerField(default=0, help_text="How many matched when it was made.")),
                ("seen", models.IntegerField(default=0)),
                ("changed", models.IntegerField(default=0)),
                ("cursor", models.TextField(blank=True)),
                ("error_message", models.CharField(blank=True, max_length=500)),
                ("finished_at", models.DateTimeField(null=True)),
                ("dismissed_at", models.DateTimeField(help_text="Its end is not shown any more.", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Collection",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=88)),
                (
                    "folded_name",
                    models.TextField(editable=False, help_text="By core.text.fold, for comparing."),
                ),
                ("count", models.IntegerField(default=0, help_text="Of its assets in the Library.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("deleted_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CollectionItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("saved_at", models.DateTimeField()),
                ("shown", models.BooleanField(default=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OperationChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("of_jobs", models.BooleanField(default=False)),
                ("changes", models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=generation.core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=88)),
                (
                    "folded_name",
                    models.TextField(editable=False, help_text="By core.text.fold, for comparing."),
                ),
                ("count", models.IntegerField(default=0, help_text="Of its assets in the Library.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("deleted_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="TagItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("saved_at", models.DateTimeField()),
                ("shown", models.BooleanField(default=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.RemoveConstraint(
            model_name="project",
            name="project_folded_name_once",
        ),
        migrations.AddField(
            model_name="project",
            name="deleted_at",
            field=models.DateTimeField(help_text="Its assets are moved away; kept for the undo.", null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="library_bytes",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="project",
            name="library_images",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="project",
            name="library_videos",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="project",
            name="stored_bytes",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["project", "id"], name="asset_of_project"),
        ),
        migrations.AddIndex(
            model_name="project",
            index=models.Index(fields=["owner"], name="project_of_owner"),
        ),
        migrations.AddIndex(
            model_name="project",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["deleted_at"],
                name="project_deleted",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("owner", "folded_name"),
                name="project_folded_name_once",
            ),
        ),
        migrations.AddField(
            model_name="bulkoperation",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="collectionitem",
            name="asset",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="collection_items",
                to="generation.asset",
            ),
        ),
        migrations.AddField(
            model_name="collectionitem",
            name="group",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="items",
                to="generation.collection",
            ),
        ),
        migrations.AddField(
            model_name="operationchunk",
            name="operation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="generation.bulkoperation",
            ),
        ),
        migrations.AddField(
            model_name="tag",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="tagitem",
            name="asset",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="tag_items", to="generation.asset"
            ),
        ),
        migrations.AddField(
            model_name="tagitem",
            name="group",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="items",
                to="generation.tag",
            ),
        ),
        migrations.AddIndex(
            model_name="bulkoperation",
            index=models.Index(
                models.F("owner"), models.OrderBy(models.F("id"), descending=True), name="operation_newest"
            ),
        ),
        migrations.AddIndex(
            model_name="bulkoperation",
            index=models.Index(
                condition=models.Q(("finished_at", None)), fields=["owner", "id"], name="operation_unfinished"
            ),
        ),
        migrations.AddIndex(
            model_name="bulkoperation",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)),
                fields=["finished_at"],
                name="operation_age",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkoperation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("running", "undoing"))),
                fields=("owner",),
                name="operation_one_in_work_per_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "action__in",
                        [
                            "favourite",
                            "rate",
                            "add_tag",
                            "remove_tag",
                            "add_collection",
                            "remove_collection",
                            "move",
                            "discard",
                            "restore",
                            "delete",
                            "dissolve",
                        ],
                    )
                ),
                name="operation_action_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["library", "trash", "project", "group", "selection"])),
                name="operation_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("status__in", ("queued", "running", "undoing"))),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("status__in", ("done", "cancelled", "undone", "failed")),
                    ),
                    _connector="OR",
                ),
                name="operation_finished_when_final",
            ),
        ),
        migrations.AddIndex(
            model_name="collection",
            index=models.Index(
                models.F("owner"), models.OrderBy(models.F("id"), descending=True), name="collection_newest"
            ),
        ),
        migrations.AddIndex(
            model_name="collection",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["deleted_at"],
                name="collection_deleted",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("owner", "folded_name"),
                name="collection_folded_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name", ""), _negated=True), models.Q(("folded_name", ""), _negated=True)
                ),
                name="collection_has_a_name",
            ),
        ),
        migrations.AddIndex(
            model_name="collectionitem",
            index=models.Index(
                models.F("group"),
                models.OrderBy(models.F("saved_at"), descending=True),
                models.OrderBy(models.F("asset"), descending=True),
                condition=models.Q(("shown", True)),
                name="collectionitem_library",
            ),
        ),
        migrations.AddConstraint(
            model_name="collectionitem",
            constraint=models.UniqueConstraint(fields=("group", "asset"), name="collectionitem_once"),
        ),
        migrations.AddIndex(
            model_name="tag",
            index=models.Index(
                models.F("owner"), models.OrderBy(models.F("id"), descending=True), name="tag_newest"
            ),
        ),
        migrations.AddIndex(
            model_name="tag",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)), fields=["deleted_at"], name="tag_deleted"
            ),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("owner", "folded_name"),
                name="tag_folded_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name", ""), _negated=True), models.Q(("folded_name", ""), _negated=True)
                ),
                name="tag_has_a_name",
            ),
        ),
        migrations.AddIndex(
            model_name="tagitem",
            index=models.Index(
                models.F("group"),
                models.OrderBy(models.F("saved_at"), descending=True),
                models.OrderBy(models.F("asset"), descending=True),
                condition=models.Q(("shown", True)),
                name="tagitem_library",
            ),
        ),
        migrations.AddConstraint(
            model_name="tagitem",
            constraint=models.UniqueConstraint(fields=("group", "asset"), name="tagitem_once"),
        ),
    ]
