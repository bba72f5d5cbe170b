"""Collections and tags: an owner's own names for assets, of which an asset can have many."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH
from generation.models.asset import Asset

SHOWN = Q(shown=True)


class Grouping(models.Model):
    """What collections and tags share. `count` is of the items that are shown.

    A deleted one keeps its items for a while, so that deleting it can be undone; its name is free at once.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(max_length=NAME_LENGTH + 8)
    folded_name = models.TextField(editable=False, help_text="By core.text.fold, for comparing.")
    count = models.IntegerField(default=0, help_text="Of its assets in the Library.")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "folded_name"],
                condition=Q(deleted_at=None),
                name="%(class)s_folded_name_once",
            ),
            models.CheckConstraint(condition=~Q(name="") & ~Q(folded_name=""), name="%(class)s_has_a_name"),
        ]
        indexes = [
            # All of an owner's, deleted ones too: the constraint's index has only the others.
            models.Index("owner", F("id").desc(), name="%(class)s_newest"),
            models.Index(
                fields=["deleted_at"], name="%(class)s_deleted", condition=Q(deleted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupingItem(models.Model):
    """One asset in a collection or under a tag. Only what was saved can be in one.

    `saved_at` is the asset's, which never changes, and `shown` is false while the asset is in the trash:
    with them an index has a collection in the order of the Library.
    """

    saved_at = models.DateTimeField()
    shown = models.BooleanField(default=True)

    class Meta:
        abstract = True
        constraints = [
            # Also the look-up of an asset in a collection.
            models.UniqueConstraint(fields=["group", "asset"], name="%(class)s_once")
        ]
        indexes = [
            models.Index(
                *("group", F("saved_at").desc(), F("asset").desc()),
                name="%(class)s_library",
                condition=SHOWN,
            )
        ]


class Collection(Grouping):
    """Assets that an owner wants together."""


class Tag(Grouping):
    """A word that an owner gives to assets."""


class CollectionItem(GroupingItem):
    group = models.ForeignKey(Collection, models.CASCADE, related_name="items", db_index=False)
    asset = models.ForeignKey(Asset, models.CASCADE, related_name="collection_items")

    def __str__(self) -> str:
        return f"{self.asset_id} in {self.group_id}"


class TagItem(GroupingItem):
    group = models.ForeignKey(Tag, models.CASCADE, related_name="items", db_index=False)
    asset = models.ForeignKey(Asset, models.CASCADE, related_name="tag_items")

    def __str__(self) -> str:
        return f"{self.asset_id} in {self.group_id}"
