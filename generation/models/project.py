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
    name = models.CharField(max_length=NAME_LENGTH)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="project_name_once_per_owner"),
            models.UniqueConstraint(
                fields=["owner"], condition=Q(is_default=True), name="project_one_default_per_owner"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="project_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
