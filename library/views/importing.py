"""Bringing in files by a plain form; the Library's script sends each by itself."""

from __future__ import annotations

import uuid
from typing import BinaryIO, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generation.access.principals import principal_of
from generation.access.projects import owned_projects
from generation.catalog.submission import InvalidSubmission
from generation.core.errors import DomainError
from generation.http.page_requests import owner_id_of
from generation.jobs.import_files import receive_file
from generation.jobs.imports import ImportInput, begin_imports
from generation.media.formats import CONTENT_TYPES

MEDIA_OF = {content_type: media for media, known in CONTENT_TYPES.items() for content_type in known}
MAX_FORM_FILES = 20  # more do not fit into its body


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def import_files(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    files = request.FILES.getlist("files")[:MAX_FORM_FILES]
    if not files:
        return _page(request, "Choose a file.")
    brought = [message for file in files if (message := _bring_in(request, file))]
    for message in brought:
        messages.error(request, message)
    if count := len(files) - len(brought):
        messages.success(request, f"{count} brought in.")
    return redirect("library:home")


def _bring_in(request: HttpRequest, file: UploadedFile[bytes]) -> str:
    """Why the file was not taken; empty when it was."""
    name, media = file.name or "file", MEDIA_OF.get(file.content_type or "")
    if media is None:
        return f"{name}: no PNG, JPEG, WebP, MP4 or WebM."
    owner_id, actor = owner_id_of(request), principal_of(request)
    try:
        [job] = begin_imports(
            owner_id=owner_id,
            actor=actor,
            files=[ImportInput(name=name, media=media)],
            project_id=_project_id(request),
        )
        content = cast("BinaryIO", file.file)
        receive_file(owner_id=owner_id, actor=actor, import_id=job.pk, content=content)
    except InvalidSubmission as refused:
        return f"{name}: {' '.join(refused.errors.values())}"
    except DomainError as refused:
        return f"{name}: {refused.message}"
    return ""


def _project_id(request: HttpRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.POST.get("project", ""))
    except ValueError:
        return None


def _page(request: HttpRequest, error: str = "") -> HttpResponse:
    context = {
        "error": error,
        "projects": owned_projects(owner_id_of(request)),
        "accept": ",".join(MEDIA_OF),
        "most_bytes": settings.MAX_BODY_BYTES,
    }
    return render(request, "library/import.html", context, status=422 if error else 200)
