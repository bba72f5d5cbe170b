"""Collections, tags and projects, and bulk operations on all that match."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access import projects
from generation.access.principals import principal_of
from generation.api import organising as forms
from generation.api.account_responses import ProjectResponse
from generation.api.requests import LibraryQuery, Paging, ProjectBody, Selection
from generation.api.responses import Moved
from generation.assets import groupings, memberships, merging, operations
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS, TAGS, Kind
from generation.core.keyset import newest_by_id
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of, owner_of, query_of
from generation.models import Action, BulkOperation, Project, Scope, Source

WORKED_SECONDS = 1.0
DELETED = OpenApiResponse(description="Deleted; `restore` brings it back for a while.")


def who(request: Request) -> dict[str, Any]:
    return {"owner_id": owner_of(request).pk, "actor": principal_of(request)}


def operation_response(operation: BulkOperation) -> Response:
    """Begin with it at once; what is left is worked without the caller."""
    operations.work(operation.owner_id, seconds=WORKED_SECONDS)
    operation.refresh_from_db()
    return Response(forms.OperationResponse(operation).data, 202)


class GroupingView(ApiView):
    """Of the kind that its subclass names."""

    kind: ClassVar[Kind]


class Groupings(GroupingView):
    required_scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.MANAGE}

    def get(self, request: Request) -> Response:
        query = query_of(request, Paging)
        mine = groupings.owned(self.kind, owner_of(request).pk)
        items, following = newest_by_id(mine, query["cursor"], query["limit"])
        return Response(forms.GroupingPage({"items": items, "next_cursor": following}).data)

    def post(self, request: Request) -> Response:
        body = body_of(request, forms.GroupingBody)
        made = groupings.create(self.kind, **who(request), **body)
        return Response(forms.GroupingResponse(made).data, 201)


class GroupingDetail(GroupingView):
    required_scopes: ClassVar = {"GET": Scope.READ, "PATCH": Scope.MANAGE, "DELETE": Scope.MANAGE}

    def get(self, request: Request, group_id: uuid.UUID) -> Response:
        found = groupings.find(self.kind, owner_id=owner_of(request).pk, group_id=group_id)
        return Response(forms.GroupingResponse(found).data)

    def patch(self, request: Request, group_id: uuid.UUID) -> Response:
        """Rename it."""
        body = body_of(request, forms.GroupingBody)
        found = groupings.rename(self.kind, group_id=group_id, **who(request), **body)
        return Response(forms.GroupingResponse(found).data)

    def delete(self, request: Request, group_id: uuid.UUID) -> Response:
        """Delete it, and none of its assets."""
        groupings.delete(self.kind, group_id=group_id, **who(request))
        return Response(status=204)


class AddToGrouping(GroupingView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Put saved assets in, at most 500."""
        body = body_of(request, Selection)
        added = memberships.add(self.kind, group_id=group_id, **who(request), **body)
        return Response(Moved({"changed": len(added)}).data)


class RemoveFromGrouping(GroupingView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Take assets out, at most 500."""
        body = body_of(request, Selection)
        removed = memberships.remove(self.kind, group_id=group_id, **who(request), **body)
        return Response(Moved({"changed": len(removed)}).data)


class MergeGrouping(GroupingView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Put all that is in it into another, and delete it: a bulk operation, which can be undone."""
        into = body_of(request, forms.MergeBody)["into"]
        return operation_response(merging.merge(self.kind, group_id=group_id, into_id=into, **who(request)))


class RestoreGrouping(GroupingView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Bring back what was deleted, with all that was in it."""
        found = groupings.undelete(self.kind, group_id=group_id, **who(request))
        return Response(forms.GroupingResponse(found).data)


GROUPING_VIEWS = {
    "": (Groupings, {"get": "list", "post": "create"}),
    "/<uuid:group_id>": (GroupingDetail, {"get": "read", "patch": "rename", "delete": "delete"}),
    "/<uuid:group_id>/add": (AddToGrouping, {"post": "add"}),
    "/<uuid:group_id>/remove": (RemoveFromGrouping, {"post": "remove"}),
    "/<uuid:group_id>/merge": (MergeGrouping, {"post": "merge"}),
    "/<uuid:group_id>/restore": (RestoreGrouping, {"post": "restore"}),
}
ONE = forms.GroupingResponse
DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "list": {"parameters": [Paging], "responses": {200: forms.GroupingPage, **problems(422)}},
    "create": {"request": forms.GroupingBody, "responses": {201: ONE, **problems(422)}},
    "read": {"responses": {200: ONE, **problems(404)}},
    "rename": {"request": forms.GroupingBody, "responses": {200: ONE, **problems(404, 422)}},
    "delete": {"responses": {204: DELETED, **problems(404)}},
    "add": {"request": Selection, "responses": {200: Moved, **problems(404, 422)}},
    "remove": {"request": Selection, "responses": {200: Moved, **problems(404, 422)}},
    "merge": {
        "request": forms.MergeBody,
        "responses": {202: forms.OperationResponse, **problems(404, 422)},
    },
    "restore": {"request": None, "responses": {200: ONE, **problems(404)}},
}


def grouping_view(view: type[GroupingView], kind: Kind, calls: dict[str, str]) -> Any:
    """The view for this kind, with its own operations in the documentation."""
    one: Any = type(f"{kind.name.capitalize()}{view.__name__}", (view,), {"kind": kind})
    for method, call in calls.items():
        described = extend_schema(
            operation_id=f"{kind.plural}_{call}",
            summary=f"{call.capitalize()} {kind.plural if call == 'list' else f'a {kind.name}'}",
            tags=[kind.plural],
            **DESCRIPTIONS[call],
        )

        def answer(self: Any, request: Request, _name: str = method, **ids: Any) -> Response:
            answered: Response = getattr(super(one, self), _name)(request, **ids)
            return answered

        answer.__doc__ = getattr(view, method).__doc__ or f"Your {kind.plural}, newest first."
        setattr(one, method, described(answer))
    return one.as_view()


def grouping_views(kind: Kind) -> Iterator[tuple[str, Any]]:
    """Each address below the kind's own, with its view."""
    for below, (view, calls) in GROUPING_VIEWS.items():
        yield below, grouping_view(view, kind, calls)


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
        return Response(ProjectResponse(_project(request, project_id)).data)

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
        into = _project(request, body_of(request, forms.MergeBody)["into"])
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


def _project(request: Request, project_id: uuid.UUID) -> Project:
    found = projects.find_project(owner_id=owner_of(request).pk, project_id=project_id)
    if found is None:
        raise NotFound("There is no such project.")
    return found


class Operations(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.MANAGE}

    @extend_schema(
        operation_id="operations_list",
        summary="List bulk operations",
        tags=["operations"],
        responses={200: forms.OperationList, **problems()},
    )
    def get(self, request: Request) -> Response:
        """Your newest bulk operations: those in work, and those that ended within a day."""
        newest = operations.of_owner(owner_of(request).pk)[: operations.MAX_FINISHED]
        return Response(forms.OperationList({"operations": newest}).data)

    @extend_schema(
        operation_id="operations_create",
        summary="Change all that match",
        tags=["operations"],
        request=forms.OperationBody,
        responses={202: forms.OperationResponse, **problems(404, 422)},
    )
    def post(self, request: Request) -> Response:
        """Do something to all that match a filter, however many: it goes on without you.

        Ask for it again to see how far it is. One of yours is in work at a time; the others wait.
        """
        body = body_of(request, forms.OperationBody)
        action = Action(body["action"])
        in_trash = action in {Action.RESTORE, Action.DELETE}
        asked = _value_of(request, action, body)
        query = "" if in_trash else _only(body["filter"]).to_query()
        source = Source.TRASH if in_trash else Source.LIBRARY
        return operation_response(
            operations.start(action=action, source=source, query=query, **asked, **who(request))
        )


def _only(given: dict[str, str]) -> AssetFilter:
    """Raises ValidationError."""
    query = LibraryQuery(data=given)
    if unknown := given.keys() - query.fields.keys():
        raise ValidationError({"filter": {name[:80]: ["There is no such field."] for name in unknown}})
    if not query.is_valid():
        raise ValidationError({"filter": query.errors})
    only: AssetFilter = query.validated_data["only"]
    return only


def _value_of(request: Request, action: Action, body: dict[str, Any]) -> dict[str, Any]:
    """What the action needs, and its name. Raises ValidationError, NotFound."""
    match action:
        case Action.FAVOURITE | Action.RATE:
            field = "favourite" if action == Action.FAVOURITE else "rating"
            return {"value": {field: body[field]}}
        case Action.ADD_TAG | Action.REMOVE_TAG:
            return _grouped(request, TAGS, body["tag"])
        case Action.ADD_COLLECTION | Action.REMOVE_COLLECTION:
            return _grouped(request, COLLECTIONS, body["collection"])
        case Action.MOVE:
            project = _project(request, _named("project", body["project"]))
            return {"value": {"project": str(project.pk)}, "name": project.name}
    return {"value": {}}


def _grouped(request: Request, kind: Kind, group_id: uuid.UUID | None) -> dict[str, Any]:
    owner_id = owner_of(request).pk
    group = groupings.find(kind, owner_id=owner_id, group_id=_named(kind.name, group_id))
    return {"value": {"group": str(group.pk)}, "name": group.name}


def _named(field: str, given: uuid.UUID | None) -> uuid.UUID:
    if given is None:
        raise ValidationError({field: ["This action needs one."]})
    return given


class OperationDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="operations_read",
        summary="Read a bulk operation",
        tags=["operations"],
        responses={200: forms.OperationResponse, **problems(404)},
    )
    def get(self, request: Request, operation_id: uuid.UUID) -> Response:
        """How far it is."""
        found = operations.find(owner_id=owner_of(request).pk, operation_id=operation_id)
        return Response(forms.OperationResponse(found).data)


class CancelOperation(ApiView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    @extend_schema(
        operation_id="operations_cancel",
        summary="Stop a bulk operation",
        tags=["operations"],
        request=None,
        responses={200: forms.OperationResponse, **problems(404, 409)},
    )
    def post(self, request: Request, operation_id: uuid.UUID) -> Response:
        """End it where it stands; what it changed until then stays, and can be undone."""
        operations.cancel(operation_id=operation_id, **who(request))
        found = operations.find(owner_id=owner_of(request).pk, operation_id=operation_id)
        return Response(forms.OperationResponse(found).data)


class UndoOperation(ApiView):
    required_scopes: ClassVar = {"POST": Scope.MANAGE}

    @extend_schema(
        operation_id="operations_undo",
        summary="Undo a bulk operation",
        tags=["operations"],
        request=None,
        responses={202: forms.OperationResponse, **problems(404, 409)},
    )
    def post(self, request: Request, operation_id: uuid.UUID) -> Response:
        """Put back what it changed, unless that was changed since. Not what was deleted for good."""
        return operation_response(operations.undo(operation_id=operation_id, **who(request)))
