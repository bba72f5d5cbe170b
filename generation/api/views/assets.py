"""Assets: the Library, single records, their files, and moves between Workspace, Library and trash."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of
from generation.api.organising import MoveAssetsBody, TitleBody
from generation.api.pages import Item, bounded_page
from generation.api.requests import (
    FavouriteBody,
    FileQuery,
    LibraryQuery,
    Paging,
    RatingBody,
    Selection,
)
from generation.api.responses import (
    ONE_ASSET,
    AssetPage,
    ImageResponse,
    Moved,
    VideoResponse,
    asset_response,
)
from generation.assets import actions, listing
from generation.assets.bulk_actions import move
from generation.assets.delivery import media_response
from generation.assets.memberships import Names, names_of
from generation.assets.purging import delete_now
from generation.assets.titles import set_title
from generation.http.conditional import not_modified, version_tag
from generation.http.openapi import file_responses, problems
from generation.http.views import ApiView, body_of, owner_of, query_of
from generation.models import Asset, AssetStatus, Scope


def owned_or_404(request: Request, asset_id: uuid.UUID, media: str = "") -> Asset:
    """The caller's asset, of this medium where one is named.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    asset = listing.find_asset(owner_id=owner_of(request).pk, media=media, asset_id=asset_id)
    if asset is None:
        raise NotFound(f"There is no such {media or 'asset'}.")
    return asset


def assets_response(
    request: Request, source: listing.Listing, *, cursor: str, limit: int
) -> HttpResponseBase:
    """A page of these assets; 304 when the caller has it. Raises BadCursor."""
    versions = source.versions(cursor, limit)
    names = names_of(cast("uuid.UUID", asset_id) for asset_id, *_ in versions)
    tag = version_tag(request, [*versions, names])  # a tag's name is in no asset's revision
    if unchanged := not_modified(request, tag):
        return unchanged

    def read(cursor: str, limit: int) -> tuple[list[Item], str]:
        page = source.page(cursor, limit)
        return [
            Item(asset_response(asset, names.get(asset.pk, Names())), source.cursor_after(asset))
            for asset in page.assets
        ], page.next_cursor

    assets, next_cursor = bounded_page(read, cursor=cursor, limit=limit)
    page = AssetPage({"assets": assets, "next_cursor": next_cursor})
    return Response(page.data, headers={"ETag": tag})


def _record(asset: Asset) -> dict[str, Any]:
    return asset_response(asset, names_of([asset.pk]).get(asset.pk, Names()))


class Library(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="assets_list",
        summary="List the Library",
        tags=["assets"],
        parameters=[LibraryQuery],
        responses={200: AssetPage, **problems(409, 422)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Your Library, newest first, images and videos in one order; by content, the most alike first."""
        query, owner_id = query_of(request, LibraryQuery), owner_of(request).pk
        only = query.pop("only").answered(owner_id)
        library = listing.saved(owner_id=owner_id, only=only)
        return assets_response(request, library, **query)


class Trash(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="assets_trash",
        summary="List the trash",
        tags=["assets"],
        parameters=[Paging],
        responses={200: AssetPage, **problems(422)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """What you discarded, last first."""
        trash = listing.trashed(owner_id=owner_of(request).pk)
        return assets_response(request, trash, **query_of(request, Paging))


class AssetDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "PATCH": Scope.MANAGE}

    @extend_schema(
        operation_id="assets_read",
        summary="Read an asset's record",
        tags=["assets"],
        responses={200: ONE_ASSET, **problems(404)},
    )
    def get(self, request: Request, asset_id: uuid.UUID) -> Response:
        """One image's or video's record."""
        return Response(_record(owned_or_404(request, asset_id)))

    @extend_schema(
        operation_id="assets_title",
        summary="Give an asset a title",
        tags=["assets"],
        request=TitleBody,
        responses={200: ONE_ASSET, **problems(404, 422)},
    )
    def patch(self, request: Request, asset_id: uuid.UUID) -> Response:
        """Set the title of a completed asset."""
        body = body_of(request, TitleBody)
        owner_id, actor = owner_of(request).pk, principal_of(request)
        set_title(owner_id=owner_id, actor=actor, asset_id=asset_id, **body)
        return Response(_record(owned_or_404(request, asset_id)))


class ImageDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="images_read",
        summary="Read an image's record",
        tags=["assets"],
        responses={200: ImageResponse, **problems(404)},
    )
    def get(self, request: Request, asset_id: uuid.UUID) -> Response:
        """One image's record."""
        return Response(_record(owned_or_404(request, asset_id, "image")))


class VideoDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="videos_read",
        summary="Read a video's record",
        tags=["assets"],
        responses={200: VideoResponse, **problems(404)},
    )
    def get(self, request: Request, asset_id: uuid.UUID) -> Response:
        """One video's record."""
        return Response(_record(owned_or_404(request, asset_id, "video")))


class AssetFile(ApiView):
    """Bytes of a completed asset, cacheable for good: an asset's file never changes."""

    required_scopes: ClassVar = {"GET": Scope.READ}
    media = ""
    thumbnail = False

    def get(self, request: Request, asset_id: uuid.UUID) -> HttpResponseBase:
        asset = owned_or_404(request, asset_id, self.media)
        if asset.status != AssetStatus.COMPLETED:
            raise NotFound(f"This {self.media} has no file yet.")
        download = query_of(request, FileQuery)["download"]
        return media_response(request._request, asset, thumbnail=self.thumbnail, download=download)


def _documented(
    operation: str, summary: str, *content_types: str
) -> Callable[[type[AssetFile]], type[AssetFile]]:
    responses = file_responses(*content_types) | problems(404, 422)
    described = extend_schema(
        operation_id=operation, summary=summary, tags=["files"], parameters=[FileQuery], responses=responses
    )
    return extend_schema_view(get=described)


@_documented("images_file", "Get an image", "image/png", "image/jpeg", "image/webp")
class ImageFile(AssetFile):
    """The image itself."""

    media = "image"


@_documented("images_thumbnail", "Get an image's thumbnail", "image/webp")
class ImageThumbnail(AssetFile):
    """A small WebP of the image."""

    media = "image"
    thumbnail = True


@_documented("videos_file", "Get a video", "video/mp4", "video/webm")
class VideoFile(AssetFile):
    """The video itself."""

    media = "video"


@_documented("videos_thumbnail", "Get a video's thumbnail", "image/webp")
class VideoThumbnail(AssetFile):
    """The video's first frame, as a small WebP."""

    media = "video"
    thumbnail = True


class BulkAction(ApiView):
    """One action on at most 500 assets, with the fields of its body."""

    required_scopes: ClassVar = {"POST": Scope.MANAGE}
    body: ClassVar[type[Selection]] = Selection
    act: ClassVar[Callable[..., int | list[uuid.UUID]]]

    def post(self, request: Request) -> Response:
        fields = body_of(request, self.body)
        changed = self.act(owner_id=owner_of(request).pk, actor=principal_of(request), **fields)
        count = changed if isinstance(changed, int) else len(changed)
        return Response(Moved({"changed": count}).data)


def _describes(name: str, summary: str, *refusals: int) -> Callable[[type[BulkAction]], type[BulkAction]]:
    def describe(view: type[BulkAction]) -> type[BulkAction]:
        responses = {200: Moved, **problems(403, *refusals, 413, 422)}
        described = extend_schema(
            operation_id=name, summary=summary, tags=["assets"], request=view.body, responses=responses
        )
        return extend_schema_view(post=described)(view)

    return describe


@_describes("assets_save", "Save to the Library")
class Save(BulkAction):
    """Put results under review into the Library."""

    act = staticmethod(actions.save)


@_describes("assets_discard", "Discard to the trash")
class Discard(BulkAction):
    """Move completed assets to the trash, where they stay for a while."""

    act = staticmethod(actions.discard)


@_describes("assets_restore", "Restore from the trash")
class Restore(BulkAction):
    """Bring assets back from the trash to where they were."""

    act = staticmethod(actions.restore)


@_describes("assets_rate", "Rate")
class Rate(BulkAction):
    """Give completed assets stars, or take them back."""

    body = RatingBody
    act = staticmethod(actions.rate)


@_describes("assets_favourite", "Mark as favourites")
class Favourite(BulkAction):
    """Mark completed assets as favourites, or no longer."""

    body = FavouriteBody
    act = staticmethod(actions.set_favourite)


@_describes("assets_move", "Move to another project", 404)
class Move(BulkAction):
    """Move completed assets to one of your projects; their jobs stay where they are."""

    body = MoveAssetsBody
    act = staticmethod(move)


@_describes("assets_delete", "Delete for good")
class Delete(BulkAction):
    """Delete assets that are in the trash. There is no undo."""

    act = staticmethod(delete_now)
