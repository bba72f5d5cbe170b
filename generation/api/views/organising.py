"""Collections and tags."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api import organising as forms
from generation.api.requests import Paging, Selection
from generation.api.responses import Moved
from generation.api.views.started import operation_response, who
from generation.assets import groupings, memberships, merging
from generation.assets.groupings import Kind
from generation.core.keyset import newest_by_id
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of, owner_of, query_of
from generation.models import Scope

DELETED = OpenApiResponse(description="Deleted; `restore` brings it back for a while.")


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
