from __future__ import annotations

from django.db import models


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
