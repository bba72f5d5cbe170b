from __future__ import annotations

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models

from generation.core.ids import new_id
from generation.core.limits import ADDRESS_LENGTH

DEVICE_LENGTH = 60


class SignInAttempts(models.Model):
    """Attempts to sign in since `began_at`, of one address, or for one name from one address.

    `subject` is a digest: people mistype, and type passwords where names belong.
    """

    subject = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=1)
    began_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["began_at"], name="attempts_age")]

    def __str__(self) -> str:
        return f"{self.count} attempts"


class SignInLink(models.Model):
    """The one link by which a user may sign in once: a new one replaces it, any sign-in ends it."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"until {self.expires_at}"


class UserSession(models.Model):
    """Whose a session is, for the list on the account page; deleted with the session's own row.

    A session from before this table gets its row when it is used; its `signed_in_at` is not known.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.OneToOneField(Session, models.CASCADE, related_name="of_user")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    device = models.CharField(max_length=DEVICE_LENGTH, blank=True)
    address = models.CharField(max_length=ADDRESS_LENGTH, blank=True)
    signed_in_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.device} at {self.address}"
