from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH
from generation.models.worker import Worker


class AccessToken(models.Model):
    """A bearer token, kept only as the SHA-256 of its text (access.tokens makes and checks them)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="How the token begins.")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.hint}…"


class WorkerToken(AccessToken):
    """What a worker signs in with; two may live at once, so that one can replace the other."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="tokens")


class PersonalToken(AccessToken):
    """What a user's scripts sign in with."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="personal_tokens")
    name = models.CharField(max_length=NAME_LENGTH)

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="personaltoken_has_a_name")]
