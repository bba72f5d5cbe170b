"""Downloads of more than one file. What is not the caller's does not exist."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import structlog
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads import archives
from downloads.archives import ArchiveSelection, NothingSelected
from downloads.export import json_lines
from downloads.models import Archive, ArchivePart
from downloads.zip_stream import first, skip
from generation.assets.embeddings.nearest import NotAnswered
from generation.assets.filters import AssetFilter
from generation.assets.ranges import requested_range
from generation.assets.search.query import BadSearch
from generation.assets.selection import excluded_assets, selected_assets
from generation.core.errors import TooMany
from generation.http.page_requests import owner_id_of, wants_json

log = structlog.get_logger("ourvidz.downloads")
CONTENT = ("files", "parameters_json", "parameters_csv")  # of a part: megabytes


@never_cache
@login_required
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Prepare the selected assets; the answer leads to the ZIP file, or to the list of several."""
    try:
        archive = archives.create_archive(owner_id=owner_id_of(request), selection=_selection(request))
    except (TooMany, NothingSelected, BadSearch, NotAnswered) as error:
        return _refused(request, error.message)
    parts = list(archive.parts.defer(*CONTENT)[:2])
    is_one = archive.is_complete and len(parts) == 1
    url = part_url(parts[0]) if is_one else archive_url(archive)
    return JsonResponse({"ok": True, "url": url}) if wants_json(request) else redirect(url)


def _selection(request: HttpRequest) -> ArchiveSelection:
    if request.POST.get("all") == "1":
        only = AssetFilter.from_query(request.POST).opened
        return ArchiveSelection(only=only, excluded_ids=excluded_assets(request, owner_id_of(request)))
    return ArchiveSelection(asset_ids=selected_assets(request, owner_id_of(request)))


def _refused(request: HttpRequest, message: str) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"ok": False, "message": message}, status=422)
    return render(request, "downloads/refused.html", {"message": message}, status=422)


@never_cache
@login_required
@require_safe
def archive(request: HttpRequest, archive_id: uuid.UUID) -> HttpResponse:
    found = _archive_or_404(request, archive_id)
    parts = found.parts.defer(*CONTENT).order_by("number")
    return render(request, "downloads/archive.html", {"archive": found, "parts": parts})


@never_cache
@login_required
@require_POST
def more_parts(request: HttpRequest, archive_id: uuid.UUID) -> HttpResponse:
    found = _archive_or_404(request, archive_id)
    archives.make_parts(found)
    return redirect(archive_url(found))


@login_required
@require_safe
def part(request: HttpRequest, archive_id: uuid.UUID, number: int) -> HttpResponseBase:
    """The ZIP file, or the range of it that a broken download still needs."""
    found = archives.find_part(owner_id=owner_id_of(request), archive_id=archive_id, number=number)
    if found is None:
        raise Http404
    etag = f'"{found.archive_id}-{found.number}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{_file_name(found)}"',
    }
    span = requested_range(request, etag, found.byte_size)
    start, length = span or (0, found.byte_size)
    if not length:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{found.byte_size}"})
    if span:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{found.byte_size}"
    headers["Content-Length"] = str(length)
    status = 206 if span else 200
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    chunks = first(skip(_logged(found), start), length)
    return StreamingHttpResponse(chunks, status=status, headers=headers)


def _logged(found: ArchivePart) -> Iterator[bytes]:
    """The part's bytes; where a file is gone the connection ends before the announced length."""
    try:
        yield from archives.part_chunks(found)
    except (OSError, ValueError) as error:
        log.error("archive.broken", archive=str(found.archive_id), part=found.number, reason=str(error)[:200])
        raise


def _file_name(found: ArchivePart) -> str:
    return f"ourvidz-{found.archive.created_at:%Y%m%d-%H%M%S}-{found.number}.zip"


@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """The metadata of all saved assets that match the filter in the query, as JSON Lines."""
    only = AssetFilter.from_query(request.GET)
    if only.error:
        return _refused(request, only.error)
    try:
        only = only.answered(owner_id_of(request))
    except NotAnswered as waiting:
        return _refused(request, waiting.message)
    lines = json_lines(owner_id=owner_id_of(request), only=only)
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": 'attachment; filename="ourvidz-library.jsonl"',
    }
    return StreamingHttpResponse(lines, content_type="application/jsonl; charset=utf-8", headers=headers)


def archive_url(archive: Archive) -> str:
    return reverse("downloads:archive", args=[archive.pk])


def part_url(part: ArchivePart) -> str:
    return reverse("downloads:part", args=[part.archive_id, part.number])


def _archive_or_404(request: HttpRequest, archive_id: uuid.UUID) -> Archive:
    found = archives.find_archive(owner_id=owner_id_of(request), archive_id=archive_id)
    if found is None:
        raise Http404
    return found
