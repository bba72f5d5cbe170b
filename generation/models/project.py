from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH


class Project(models.Model):
    """A user's grouping of work. Each user has one default project, made when first needed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="projects", db_index=False
    )
    # Longer than a name may be: migration 0020 numbered names of one owner's that fold to the same.
    name = models.CharField(max_length=NAME_LENGTH + 8)
    folded_name = models.TextField(editable=False, help_text="By core.text.fold, for comparing.")
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, help_text="Its assets are moved away; kept for the undo.")
    # Of its assets, as OwnerCounter has them of the owner's.
    library_images = models.BigIntegerField(default=0, db_default=0)
    library_videos = models.BigIntegerField(default=0, db_default=0)
    library_bytes = models.BigIntegerField(default=0, db_default=0)
    stored_bytes = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        indexes = [
            models.Index(fields=["owner"], name="project_of_owner"),
            models.Index(
                fields=["deleted_at"], name="project_deleted", condition=Q(deleted_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "folded_name"],
                condition=Q(deleted_at=None),
                name="project_folded_name_once",
            ),
            models.UniqueConstraint(
                fields=["owner"], condition=Q(is_default=True), name="project_one_default_per_owner"
            ),
            models.CheckConstraint(condition=~Q(name="") & ~Q(folded_name=""), name="project_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
