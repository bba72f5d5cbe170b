from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from generation.core.ids import new_id
from generation.models import Asset, Collection


class ShareLink(models.Model):
    """One asset or one collection that whoever has the link may look at, until it ends.

    The link's token is signed, not stored: who reads the database cannot make it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    asset = models.ForeignKey(Asset, models.CASCADE, null=True, related_name="+")
    collection = models.ForeignKey(Collection, models.CASCADE, null=True, related_name="+")
    with_parameters = models.BooleanField(default=False, help_text="Whether prompts and seeds are shown.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    views = models.PositiveIntegerField(default=0, help_text="How often its page was opened.")
    last_viewed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(asset=None, collection__isnull=False) | Q(asset__isnull=False, collection=None),
                name="share_link_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"link {self.pk}"
