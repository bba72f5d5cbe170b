"""Delivery of private media: files, thumbnails and previews, for their owner alone; 404 for all others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import structlog
from django.core.files.base import File
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from generation.assets import listing
from generation.assets.download_names import content_disposition
from generation.assets.previews import preview_of
from generation.assets.ranges import requested_range
from generation.assets.references import find_reference
from generation.media.formats import EXTENSIONS, BrokenMedia
from generation.media.stripped import KnownPatches, StrippedFile
from generation.models import Asset, AssetStatus, Reference

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

log = structlog.get_logger("ourvidz.files")

_patches = KnownPatches()
CHUNK_BYTES = 128 * 1024  # each reader holds one
THUMBNAIL_TYPE = "image/webp"
POLICIES = {
    "image": "default-src 'none'; sandbox",
    # A video opened by itself is asked for once more by the browser's own player, with the cookie that a
    # sandboxed page would not send.
    "video": "default-src 'none'; media-src 'self'",
}
FIXED_HEADERS = {
    # An address never gets other bytes: a completed asset never changes.
    "Cache-Control": "private, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class FileStream(StreamingHttpResponse):
    """`length` bytes of a file from `start`, chunk by chunk; ourvidz.handler reads each when it is sent."""

    def __init__(self, source: File[bytes], *, start: int, length: int, **response: object) -> None:
        super().__init__(read_chunks(source, start, length), **response)
        self._resource_closers.append(source.close)  # type: ignore[attr-defined] # as FileResponse does


def read_chunks(source: File[bytes], start: int, length: int) -> Iterator[bytes]:
    """`length` bytes from `start`, at most CHUNK_BYTES at a time."""
    source.seek(start)
    while length > 0 and (chunk := source.read(min(CHUNK_BYTES, length))):
        length -= len(chunk)
        yield chunk


@require_safe
def file(request: HttpRequest, media: str, asset_id: uuid.UUID, name: str = "") -> HttpResponseBase:
    asset = _owned(request, media, asset_id)
    return media_response(request, asset, thumbnail=False, download="download" in request.GET)


@require_safe
def thumbnail(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponseBase:
    asset = _owned(request, media, asset_id)
    if "small" in request.GET and asset.small_thumbnail:
        return small_thumbnail_response(request, asset)
    return media_response(request, asset, thumbnail=True, download=False)


@require_safe
def preview(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    """How a slot looks so far. The address names its version, yet nothing keeps what lasts for seconds."""
    picture = preview_of(_owned(request, media, asset_id))
    if picture is None:
        raise Http404
    headers = FIXED_HEADERS | {"Cache-Control": "private, no-store", "Accept-Ranges": "none"}
    headers["Content-Security-Policy"] = POLICIES["image"]
    return HttpResponse(picture, content_type=THUMBNAIL_TYPE, headers=headers)


def _owned(request: HttpRequest, media: str, asset_id: uuid.UUID) -> Asset:
    owner_id = request.user.pk
    asset = listing.find_asset(owner_id=owner_id, media=media, asset_id=asset_id) if owner_id else None
    if asset is None:
        raise Http404
    return asset


@require_safe
def reference_file(request: HttpRequest, reference_id: uuid.UUID) -> HttpResponseBase:
    return reference_response(request, _owned_reference(request, reference_id), thumbnail=False)


@require_safe
def reference_thumbnail(request: HttpRequest, reference_id: uuid.UUID) -> HttpResponseBase:
    return reference_response(request, _owned_reference(request, reference_id), thumbnail=True)


def _owned_reference(request: HttpRequest, reference_id: uuid.UUID) -> Reference:
    owner_id = request.user.pk
    reference = find_reference(owner_id=owner_id, reference_id=reference_id) if owner_id else None
    if reference is None:
        raise Http404
    return reference


def reference_response(request: HttpRequest, reference: Reference, *, thumbnail: bool) -> HttpResponseBase:
    """The picture's bytes, as `media_response` gives an asset's."""
    extension = "webp" if thumbnail else EXTENSIONS[reference.content_type]
    headers = FIXED_HEADERS | {
        "ETag": f'"{reference.canonical_sha256 or reference.sha256}{"-t" if thumbnail else ""}"',
        "Content-Security-Policy": POLICIES["image"],
        "Content-Type": THUMBNAIL_TYPE if thumbnail else reference.content_type,
        "Content-Disposition": f'inline; filename="reference-{reference.pk}.{extension}"',
    }
    return _respond(request, reference, headers, thumbnail=thumbnail)


def media_response(
    request: HttpRequest, asset: Asset, *, thumbnail: bool, download: bool
) -> HttpResponseBase:
    """The asset's bytes, whole or the one range that was asked for; the caller has checked whose it is.

    Raises:
        Http404: it has no file, or the storage has lost it.
    """
    if asset.status != AssetStatus.COMPLETED:
        raise Http404
    headers = _headers(asset, thumbnail=thumbnail, download=download)
    return _respond(request, asset, headers, thumbnail=thumbnail)


def shared_response(
    request: HttpRequest, asset: Asset, *, thumbnail: bool, with_parameters: bool
) -> HttpResponseBase:
    """As `media_response`, for others than the owner: named by the id, kept for minutes only.

    Without parameters nothing that is written in the file beside the picture goes out.
    """
    if asset.status != AssetStatus.COMPLETED:
        raise Http404
    extension = "webp" if thumbnail else EXTENSIONS[asset.content_type]
    is_stripped = not (thumbnail or with_parameters)
    headers = _headers(asset, thumbnail=thumbnail, download=False) | {
        "Cache-Control": "private, max-age=300",
        "Content-Disposition": f'inline; filename="{asset.media}-{asset.pk}.{extension}"',
        "X-Robots-Tag": "noindex, nofollow",
    }
    if is_stripped:
        headers["ETag"] = f'"{asset.sha256}-stripped"'
    return _respond(request, asset, headers, thumbnail=thumbnail, is_stripped=is_stripped)


def small_thumbnail_response(request: HttpRequest, asset: Asset) -> HttpResponseBase:
    """The small thumbnail's bytes, as `media_response` gives the other's."""
    headers = _headers(asset, thumbnail=True, download=False) | {"ETag": f'"{asset.sha256}-s"'}
    return _respond(request, asset, headers, thumbnail=True, field=asset.small_thumbnail)


def _respond(
    request: HttpRequest,
    row: Asset | Reference,
    headers: dict[str, str],
    *,
    thumbnail: bool,
    is_stripped: bool = False,
    field: Any = None,
) -> HttpResponseBase:
    etag = headers["ETag"]
    whole = HttpResponse(headers=headers)
    conditional = get_conditional_response(request, etag=etag, response=whole)
    if conditional is not None and conditional is not whole:
        # A browser lays the headers of a 304 over those it has kept.
        for name in (*FIXED_HEADERS, "Content-Security-Policy"):
            conditional.headers[name] = headers[name]
        return conditional
    source: Any = _open(row, field or (row.thumbnail if thumbnail else row.file))
    if is_stripped:
        source = _stripped(source, row)
    size = source.size
    span = requested_range(request, etag, size)
    if span is None:
        return _body(request, source, 0, size, status=200, headers=headers)
    start, length = span
    if not length:
        source.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return _body(request, source, start, length, status=206, headers=headers)


def _headers(asset: Asset, *, thumbnail: bool, download: bool) -> dict[str, str]:
    extension = "webp" if thumbnail else ""
    return FIXED_HEADERS | {
        "ETag": f'"{asset.sha256}{"-t" if thumbnail else ""}"',
        "Content-Security-Policy": POLICIES["image" if thumbnail else asset.media],
        "Content-Type": THUMBNAIL_TYPE if thumbnail else asset.content_type,
        "Content-Disposition": content_disposition(asset, extension=extension, as_attachment=download),
    }


def _open(row: Asset | Reference, field: Any) -> File[bytes]:
    name = field.name or ""
    try:
        source: File[bytes] = field.storage.open(name, "rb")
    except FileNotFoundError:
        log.error("media.missing", file=name, **_ids(row))
        raise Http404 from None
    return source


def _stripped(source: Any, row: Asset | Reference) -> StrippedFile:
    try:
        known = _patches.of(str(row.file.name), source, row.content_type)
        return StrippedFile(source, row.content_type, known)
    except BrokenMedia as error:  # then nothing of it goes out
        source.close()
        log.error("media.not_stripped", reason=error.message, **_ids(row))
        raise Http404 from None


def _ids(row: Asset | Reference) -> dict[str, str]:
    if isinstance(row, Reference):
        return {"reference": str(row.pk)}
    return {"asset": str(row.pk), "job": str(row.job_id)}


def _body(
    request: HttpRequest,
    source: File[bytes],
    start: int,
    length: int,
    *,
    status: int,
    headers: dict[str, str],
) -> HttpResponseBase:
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        source.close()
        return HttpResponse(status=status, headers=headers)
    return FileStream(source, start=start, length=length, status=status, headers=headers)
