"""Images and videos: their records, never their files, which are the owners' own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from generation.admin.base import ReadOnlyAdmin, operator_of
from generation.assets import actions
from generation.models import Asset, Image, Video


class AssetAdmin(ReadOnlyAdmin):
    list_display = ["id", "status", "owner", "project", "job_link", "seed", "completed_at", "trashed_at"]
    list_filter = ["status", "job__engine", "job__job_type", "created_at", "trashed_at"]
    list_select_related = ["owner", "project", "job"]
    search_fields = ["owner__username"]
    folded_field = "search_text"
    id_fields = ["pk", "job_id"]
    search_help_text = "An id, a job's id, words of the prompt, or the owner's name"
    ordering = ["-id"]
    exclude = ["file", "thumbnail", "small_thumbnail", "placeholder", "search_text"]
    actions = ["discard_assets", "restore_assets"]

    @admin.display(description="job", ordering="job_id")
    def job_link(self, asset: Asset) -> str:
        return str(asset.job)

    @admin.action(description="Discard selected assets (to their owner's trash)", permissions=["change"])
    def discard_assets(self, request: HttpRequest, assets: QuerySet[Asset]) -> None:
        self._move(request, assets, actions.discard, "discarded")

    @admin.action(description="Restore selected assets from the trash", permissions=["change"])
    def restore_assets(self, request: HttpRequest, assets: QuerySet[Asset]) -> None:
        self._move(request, assets, actions.restore, "restored")

    def _move(
        self, request: HttpRequest, assets: QuerySet[Asset], move: Callable[..., int], done: str
    ) -> None:
        owned: dict[int, list[Asset]] = defaultdict(list)
        for asset in assets:
            owned[asset.owner_id].append(asset)
        count = sum(self._move_of(request, owner_id, own, move, done) for owner_id, own in owned.items())
        level = messages.SUCCESS if count else messages.WARNING
        left = sum(map(len, owned.values())) - count
        self.message_user(request, f"{count} {done}, {left} left as they were.", level)

    def _move_of(
        self, request: HttpRequest, owner_id: int, own: list[Asset], move: Callable[..., int], done: str
    ) -> int:
        count = 0
        for start in range(0, len(own), actions.MAX_IDS):
            batch = own[start : start + actions.MAX_IDS]
            ids = [asset.pk for asset in batch]
            with transaction.atomic():
                count += move(owner_id=owner_id, actor=operator_of(request), assets=ids)
                self.record(request, self._changed(batch), f"{done.capitalize()}.")
        return count

    def _changed(self, assets: list[Asset]) -> list[Asset]:
        """Those that have moved on to another revision since they were read."""
        now = dict(self.model.objects.filter(pk__in=[a.pk for a in assets]).values_list("pk", "revision"))
        return [asset for asset in assets if now.get(asset.pk, asset.revision) != asset.revision]


@admin.register(Image)
class ImageAdmin(AssetAdmin):
    pass


@admin.register(Video)
class VideoAdmin(AssetAdmin):
    pass
