"""Changing projects: renaming, merging, deleting."""

from __future__ import annotations

import uuid
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access import projects
from generation.api import organising as forms
from generation.api.account_responses import ProjectResponse
from generation.api.requests import ProjectBody
from generation.api.views.started import operation_response, who
from generation.assets import merging
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of, owner_of
from generation.models import Project, Scope


class ProjectDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "PATCH": Scope.MANAGE}

    @extend_schema(
        operation_id="projects_read",
        summary="Read a project",
        tags=["projects"],
        responses={200: ProjectResponse, **problems(404)},
    )
    def get(self, request: Request, project_id: uuid.UUID) -> Response:
        """One project, with what it holds."""
        return Response(ProjectResponse(owned_project(request, project_id)).data)

    @extend_schema(
        operation_id="projects_rename",
        summary="Rename a project",
        tags=["projects"],
        request=ProjectBody,
        responses={200: ProjectResponse, **problems(404, 422)},
    )
    def patch(self, request: Request, project_id: uuid.UUID) -> Response:
        """Rename it."""
        body = body_of(request, ProjectBody)
        renamed = projects.rename_project(project_id=project_id, **who(request), **body)
        return Response(ProjectResponse(renamed).data)


class MergeProject(ApiView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    @extend_schema(
        operation_id="projects_merge",
        summary="Merge a project",
        tags=["projects"],
        request=forms.MergeBody,
        responses={202: forms.OperationResponse, **problems(404, 422)},
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Move all its jobs and assets to another project, and delete it: a bulk operation, with undo."""
        into = owned_project(request, body_of(request, forms.MergeBody)["into"])
        return operation_response(merging.dissolve(project_id=project_id, into=into, **who(request)))


class DeleteProject(ApiView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    @extend_schema(
        operation_id="projects_delete",
        summary="Delete a project",
        tags=["projects"],
        request=forms.DeleteProjectBody,
        responses={202: forms.OperationResponse, **problems(404, 422)},
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Delete it; its jobs go to the default project: a bulk operation, with undo."""
        discard = body_of(request, forms.DeleteProjectBody)["assets"] == "trash"
        return operation_response(merging.dissolve(project_id=project_id, discard=discard, **who(request)))


def owned_project(request: Request, project_id: uuid.UUID) -> Project:
    found = projects.find_project(owner_id=owner_of(request).pk, project_id=project_id)
    if found is None:
        raise NotFound("There is no such project.")
    return found
