from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH


class Preset(models.Model):
    """A composer's fields under a name: its owner's, or of everybody where an operator shared it.

    A deleted one is kept for a while, so that it can come back.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", null=True, blank=True, db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH)
    folded_name = models.TextField(editable=False, help_text="By core.text.fold, for comparing.")
    fields: models.JSONField[Any, Any] = models.JSONField(
        help_text="By the names of the composer's fields; without a prompt, that of the form stays."
    )
    is_shared = models.BooleanField(default=False, help_text="Everybody may use it.")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["owner", "deleted_at"], name="preset_owner"),
            models.Index(
                fields=["folded_name"], name="preset_shared", condition=Q(is_shared=True, deleted_at=None)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "folded_name"], condition=Q(deleted_at=None), name="preset_name_once"
            ),
            models.CheckConstraint(condition=~Q(name="") & ~Q(folded_name=""), name="preset_has_a_name"),
            models.CheckConstraint(
                condition=Q(owner__isnull=False) | Q(is_shared=True), name="preset_is_of_somebody"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ComposerSettings(models.Model):
    """How a user's composer behaves, on all devices."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    enter_sends = models.BooleanField(default=False, help_text="Else Ctrl+Enter does.")

    class Meta:
        verbose_name_plural = "composer settings"

    def __str__(self) -> str:
        return "Enter" if self.enter_sends else "Ctrl+Enter"
