from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from generation.core.ids import new_id
from generation.core.limits import ADDRESS_LENGTH, NAME_LENGTH
from generation.models.worker import Worker


class Scope(models.TextChoices):
    """What a personal token may do; none includes another."""

    READ = "read", "Read: jobs, Library, files, limits"
    SUBMIT = "submit", "Submit: make, cancel and retry jobs, upload reference images"
    MANAGE = "manage", "Manage: save, discard, restore, delete, make projects"


def all_scopes() -> list[str]:
    return list(Scope.values)


class AccessToken(models.Model):
    """A bearer token, kept only as the SHA-256 of its text (access.tokens makes and checks them).

    It is live until it is revoked or expires. Its last use is written at most once a day, or when the address
    changes.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="How the token begins.")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_from = models.CharField(max_length=ADDRESS_LENGTH, blank=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.hint}…"


class WorkerToken(AccessToken):
    """What a worker signs in with; two may live at once, so that one can replace the other."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="tokens")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it does not expire.")


class PersonalToken(AccessToken):
    """What a user's scripts sign in with."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="personal_tokens")
    name = models.CharField(max_length=NAME_LENGTH)
    scopes = models.JSONField(default=all_scopes, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="personaltoken_has_a_name")]

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()
