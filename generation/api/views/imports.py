"""Bringing in files of the caller's own."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access import quotas
from generation.access.principals import principal_of
from generation.api.responses import ONE_ASSET, asset_response
from generation.catalog.job_types import Media
from generation.http.bodies import capped_body
from generation.http.fields import (
    StrictCharField,
    StrictSerializer,
    StrictUUIDField,
    TextChoicesField,
)
from generation.http.openapi import problems
from generation.http.uploads import takes_upload
from generation.http.views import ApiView, body_of, media_type_of, owner_of
from generation.jobs.import_files import receive_file, require_import
from generation.jobs.imports import MAX_FILES, ImportInput, begin_imports
from generation.media.formats import CONTENT_TYPES
from generation.models import Job, Scope

TAKEN = [*CONTENT_TYPES["image"], *CONTENT_TYPES["video"]]


class ImportFile(StrictSerializer):
    name = StrictCharField(max_length=1000, help_text="Its name, kept in the asset's metadata.")
    media = TextChoicesField(Media, help_text="What it holds.")
    modified = serializers.DateTimeField(
        default=None, allow_null=True, help_text="When it was last changed, kept there too."
    )


class ImportsBody(StrictSerializer):
    project = StrictUUIDField(default=None, allow_null=True, help_text="Left out: your default project.")
    files = serializers.ListField(
        child=ImportFile(), min_length=1, max_length=MAX_FILES, help_text="The files that are to come."
    )


class ImportResponse(serializers.Serializer[Job]):
    """One import, in the order of the files."""

    id = serializers.UUIDField(help_text="Send the file to `PUT /imports/{id}`; also the id of its job.")
    asset = serializers.SerializerMethodField(help_text="The asset that it becomes.")
    media = TextChoicesField(Media)

    def get_asset(self, job: Job) -> uuid.UUID:
        return job.assets.all()[0].pk


class ImportsResponse(serializers.Serializer[Any]):
    imports = ImportResponse(many=True)


class Imports(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="imports_begin",
        summary="Begin to bring in files",
        tags=["imports"],
        request=ImportsBody,
        responses={201: ImportsResponse, **problems(403, 413, 415, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        """Write a job and an asset for each file of yours that is to come.

        Both are `failed` with the code `not_arrived` until the file is there; what never comes is deleted as
        other failed jobs are. No worker sees such a job, and it cannot be retried: send the file again.
        """
        fields = body_of(request, ImportsBody)
        jobs = begin_imports(
            owner_id=owner_of(request).pk,
            actor=principal_of(request),
            files=[ImportInput(**file) for file in fields["files"]],
            project_id=fields["project"],
        )
        return Response(ImportsResponse({"imports": jobs}).data, 201)


def admit_file(request: Request, import_id: uuid.UUID) -> None:
    """Raises what `Import.put` raises of the headers, and of a quota that is used up."""
    check_type(request)
    require_import(owner_id=owner_of(request).pk, import_id=import_id)
    quotas.check_storage(owner_of(request).pk)


def check_type(request: Request) -> None:
    if media_type_of(request) not in TAKEN:
        raise UnsupportedMediaType(request.content_type or "", "Send a PNG, JPEG, WebP, MP4 or WebM.")


class Import(ApiView):
    required_scopes: ClassVar = {"PUT": Scope.SUBMIT}

    @extend_schema(
        operation_id="imports_file",
        summary="Send the file of an import",
        tags=["imports"],
        request=dict.fromkeys(TAKEN, OpenApiTypes.BINARY),
        responses={200: ONE_ASSET, **problems(403, 404, 409, 413, 415, 422, 429)},
    )
    @takes_upload("MAX_UPLOAD_BYTES", admit_file)
    def put(self, request: Request, import_id: uuid.UUID) -> Response:
        """Complete an import with its file, the raw body; it is then an asset of your Library like any other.

        It is kept as it is, metadata included. Prompts and seed are read from what it says of how it was
        made; whatever else it says stands in `metadata.parameters`. The same bytes as an asset of yours are
        refused with 409 and the code `duplicate`; the same bytes again for this import answer with its asset.
        """
        check_type(request)
        with capped_body(request._request, limit=settings.MAX_UPLOAD_BYTES) as content:
            asset = receive_file(
                owner_id=owner_of(request).pk,
                actor=principal_of(request),
                import_id=import_id,
                content=content,
            )
        asset.refresh_from_db()
        return Response(asset_response(asset))
