"""Bulk operations on all that match."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api import organising as forms
from generation.api.requests import LibraryQuery
from generation.api.views.projects import owned_project
from generation.api.views.started import operation_response, who
from generation.assets import groupings, operations
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS, TAGS, Kind
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of, owner_of
from generation.models import Action, Scope, Source


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
            project = owned_project(request, _named("project", body["project"]))
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
