"""What the caller can run, owns and has used; and everything that changed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access import quotas
from generation.access.principals import principal_of
from generation.access.projects import create_project, owned_projects
from generation.api.account_responses import JobTypeList, Me, ProjectList, ProjectResponse
from generation.api.pages import bounded_changes
from generation.api.requests import ChangesQuery, ProjectBody
from generation.api.responses import ChangesResponse
from generation.assets.actions import MAX_IDS
from generation.catalog.job_types import JOB_TYPES
from generation.catalog.submission import MAX_SEED, PROMPT_LENGTH
from generation.changes import feed, revisions
from generation.changes.library_totals import library_totals
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of, owner_of, query_of
from generation.models import Job, Scope


class Changes(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="changes_list",
        summary="What changed since",
        tags=["changes"],
        parameters=[ChangesQuery],
        responses={200: ChangesResponse, **problems(410, 422)},
    )
    def get(self, request: Request) -> Response:
        """Everything of yours with a higher revision, as it is now. What the pages get, scripts get here."""
        changes = feed.changes(owner_id=owner_of(request).pk, **query_of(request, ChangesQuery))
        return Response(bounded_changes(changes))


class JobTypes(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="job_types_list",
        summary="List job types",
        tags=["account"],
        responses={200: JobTypeList, **problems()},
    )
    def get(self, request: Request) -> Response:
        """What can be run, in which sizes, and how long it takes."""
        return Response(JobTypeList({"job_types": list(JOB_TYPES.values())}).data)


class Projects(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.MANAGE}

    @extend_schema(
        operation_id="projects_list",
        summary="List projects",
        tags=["account"],
        responses={200: ProjectList, **problems()},
    )
    def get(self, request: Request) -> Response:
        """Your projects, the default one first."""
        return Response(ProjectList({"projects": owned_projects(owner_of(request).pk)}).data)

    @extend_schema(
        operation_id="projects_create",
        summary="Create a project",
        tags=["account"],
        request=ProjectBody,
        responses={201: ProjectResponse, **problems(403, 422)},
    )
    def post(self, request: Request) -> Response:
        """A new project."""
        body = body_of(request, ProjectBody)
        project = create_project(owner_id=owner_of(request).pk, actor=principal_of(request), **body)
        return Response(ProjectResponse(project).data, 201)


class WhoAmI(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="me_read",
        summary="Who am I, limits and use",
        tags=["account"],
        responses={200: Me, **problems()},
    )
    def get(self, request: Request) -> Response:
        """You, your limits and what you have used."""
        owner = owner_of(request)
        at = feed.position(owner.pk)
        identity = {"id": owner.pk, "username": owner.get_username()}
        identity |= {"revision": at.revision, "epoch": at.epoch}
        identity |= {"queue": {"paused_at": revisions.queue_paused_at(owner.pk)}}
        return Response(Me(identity | {"limits": limits_of(owner.pk), "use": use_of(owner.pk)}).data)


def limits_of(owner_id: int) -> dict[str, int]:
    limits = quotas.limits_of(owner_id)
    return {
        "active_jobs": limits.active_jobs,
        "storage_bytes": limits.storage_bytes,
        "prompt_length": PROMPT_LENGTH,
        "max_seed": MAX_SEED,
        "assets_per_call": MAX_IDS,
        "trash_days": settings.TRASH_DAYS,
        "reference_bytes": settings.MAX_REFERENCE_BYTES,
        "reference_quota_bytes": settings.REFERENCE_QUOTA_BYTES,
        "reference_days": settings.REFERENCE_DAYS,
    }


def use_of(owner_id: int) -> dict[str, int]:
    """What the owner has in work and in the Library."""
    active = Job.objects.of(owner_id).active()
    return {"active_jobs": active.count()} | library_totals(owner_id).sums
