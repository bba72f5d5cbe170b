"""Images and videos: their records, never their files, which are the owners' own."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from generation.admin.base import Record
from generation.assets import actions
from generation.models import Asset, Image, Video


class AssetAdmin(Record):
    list_display = ["id", "status", "owner", "project", "job_link", "seed", "completed_at", "trashed_at"]
    list_filter = ["status", "job__engine", "job__job_type", "created_at", "trashed_at"]
    list_select_related = ["owner", "project", "job"]
    search_fields = ["prompt", "owner__username"]
    id_fields = ["pk", "job_id"]
    search_help_text = "An id, a job's id, words of the prompt, or the owner's name"
    ordering = ["-id"]
    exclude = ["file", "thumbnail"]
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
        owned: dict[int, list[uuid.UUID]] = defaultdict(list)
        for asset_id, owner_id in assets.values_list("pk", "owner_id"):
            owned[owner_id].append(asset_id)
        count = sum(self._move_of(owner_id, ids, move) for owner_id, ids in owned.items())
        level = messages.SUCCESS if count else messages.WARNING
        left = sum(map(len, owned.values())) - count
        self.message_user(request, f"{count} {done}, {left} left as they were.", level)

    def _move_of(self, owner_id: int, ids: list[uuid.UUID], move: Callable[..., int]) -> int:
        batches = (ids[start : start + actions.MOST_IDS] for start in range(0, len(ids), actions.MOST_IDS))
        return sum(move(owner_id=owner_id, assets=batch) for batch in batches)


@admin.register(Image)
class ImageAdmin(AssetAdmin):
    pass


@admin.register(Video)
class VideoAdmin(AssetAdmin):
    pass
