"""Assets: the Library, single records, their files, and moves between Workspace, Library and trash."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import ClassVar

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of
from generation.api.requests import FileQuery, LibraryQuery, Paging, Selection
from generation.api.responses import (
    ONE_ASSET,
    AssetPage,
    ImageResponse,
    Moved,
    VideoResponse,
    asset_response,
)
from generation.assets import actions, listing
from generation.assets.delivery import media_response
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


class Library(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="assets_list",
        summary="List the Library",
        tags=["assets"],
        parameters=[LibraryQuery],
        responses={200: AssetPage, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Your Library, newest first, images and videos in one order."""
        page = listing.library(owner_id=owner_of(request).pk, **query_of(request, LibraryQuery))
        return Response(AssetPage(page).data)


class Trash(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="assets_trash",
        summary="List the trash",
        tags=["assets"],
        parameters=[Paging],
        responses={200: AssetPage, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """What you discarded, last first."""
        page = listing.trash(owner_id=owner_of(request).pk, **query_of(request, Paging))
        return Response(AssetPage(page).data)


class AssetDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="assets_read",
        summary="Read an asset's record",
        tags=["assets"],
        responses={200: ONE_ASSET, **problems(404)},
    )
    def get(self, request: Request, asset_id: uuid.UUID) -> Response:
        """One image's or video's record."""
        return Response(asset_response(owned_or_404(request, asset_id)))


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
        return Response(ImageResponse(owned_or_404(request, asset_id, "image")).data)


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
        return Response(VideoResponse(owned_or_404(request, asset_id, "video")).data)


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


class Move(ApiView):
    """One bulk move of at most 500 assets."""

    required_scopes: ClassVar = {"POST": Scope.MANAGE}
    move: ClassVar[Callable[..., int]]

    def post(self, request: Request) -> Response:
        selection = body_of(request, Selection)
        changed = self.move(owner_id=owner_of(request).pk, actor=principal_of(request), **selection)
        return Response(Moved({"changed": changed}).data)


def _moves(name: str, summary: str) -> Callable[[type[Move]], type[Move]]:
    responses = {200: Moved, **problems(403, 413, 422)}
    described = extend_schema(
        operation_id=name, summary=summary, tags=["assets"], request=Selection, responses=responses
    )
    return extend_schema_view(post=described)


@_moves("assets_save", "Save to the Library")
class Save(Move):
    """Put results under review into the Library."""

    move = staticmethod(actions.save)


@_moves("assets_discard", "Discard to the trash")
class Discard(Move):
    """Move completed assets to the trash, where they stay for a while."""

    move = staticmethod(actions.discard)


@_moves("assets_restore", "Restore from the trash")
class Restore(Move):
    """Bring assets back from the trash to where they were."""

    move = staticmethod(actions.restore)
