"""Actions on a selection, or on all that match: rate, tag, collect, move, delete, and the rest.

A form names `asset`s, or says `all=1` with the fields of the page's filter, and `except` for those left out.
Of a page of stacks all that they hold is meant.
What the action needs has names that no filter has: `stars`, `add_tag`, `add_collection`, `move_to`.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from generation.access.principals import principal_of
from generation.access.projects import create_project, project_named
from generation.assets import groupings, operation_work, operations
from generation.assets.filters import RATINGS, AssetFilter
from generation.assets.groupings import COLLECTIONS, TAGS, Kind
from generation.assets.selection import excluded_assets, selected_assets
from generation.core.limits import MAX_RATING
from generation.http.page_requests import owner_id_of
from generation.models import Action, BulkOperation, OperationStatus, Source
from library.operation_texts import progress_of, what_was_done
from library.responses import done, refused
from library.views.action import action

FIRST_SECONDS = 1.0  # that a request works itself: the chores do the rest


def is_everything(request: HttpRequest) -> bool:
    """Whether the form means all that match."""
    return request.POST.get("all") == "1"


def act(
    request: HttpRequest, what: Action, *, in_trash: bool = False, name: str = "", **value: Any
) -> HttpResponse:
    """Do it to what the form names. Raises what the operation raises."""
    who: dict[str, Any] = {"owner_id": owner_id_of(request), "actor": principal_of(request)}
    asked: dict[str, Any] = {"action": what, "value": value, "name": name} | who
    if not is_everything(request):
        return _said(request, operations.act(assets=selected_assets(request, owner_id_of(request)), **asked))
    value["except"] = [str(pk) for pk in excluded_assets(request, owner_id_of(request))]
    source = Source.TRASH if in_trash else Source.LIBRARY
    query = "" if in_trash else AssetFilter.from_query(request.POST).opened.to_query()
    return work(request, operations.start(source=source, query=query, **asked))


def work(request: HttpRequest, operation: BulkOperation) -> HttpResponse:
    """Begin with it at once, and say how far it came."""
    operation_work.work(operation.owner_id, seconds=FIRST_SECONDS)
    operation.refresh_from_db()
    if operation.is_active:
        return done(request, f"{progress_of(operation).text}. You can go on meanwhile.")
    if operation.status == OperationStatus.FAILED:
        return refused(request, operation.error_message)
    operations.dismiss(owner_id=operation.owner_id, operation_id=operation.pk)  # it is said here
    return _said(request, operation)


def _said(request: HttpRequest, operation: BulkOperation) -> HttpResponse:
    if operation.status == OperationStatus.UNDONE:
        return done(request, "Undone.")
    has_undo = operation.changed and operation.action != Action.DELETE
    undo = reverse("library:undo-operation", args=[operation.pk]) if has_undo else ""
    return done(request, what_was_done(operation), undo=undo)


@action
def favourite_all(request: HttpRequest, favourite: bool) -> HttpResponse:  # noqa: FBT001 - by position
    return act(request, Action.FAVOURITE, favourite=favourite)


@action
def discard_all(request: HttpRequest) -> HttpResponse:
    return act(request, Action.DISCARD)


@action
def restore_all(request: HttpRequest) -> HttpResponse:
    return act(request, Action.RESTORE, in_trash=True)


@action
def rate(request: HttpRequest) -> HttpResponse:
    stars = request.POST.get("stars") or request.GET.get("stars", "")
    if stars not in ["0", *RATINGS]:
        return refused(request, f"A rating is 1 to {MAX_RATING} stars, or 0 for none.")
    return act(request, Action.RATE, rating=int(stars))


def _group(request: HttpRequest, kind: Kind, field: str, *, may_create: bool) -> Any:
    """The collection or tag of this name, made if need be. Raises NotFound, BadName."""
    who: dict[str, Any] = {"owner_id": owner_id_of(request), "name": request.POST.get(field, "")}
    if may_create:
        return groupings.find_or_create(kind, actor=principal_of(request), **who)
    return groupings.find_named(kind, **who)


def _put(request: HttpRequest, kind: Kind, field: str, what: Action, *, may_create: bool) -> HttpResponse:
    group = _group(request, kind, field, may_create=may_create)
    if group is None:
        return refused(request, f"You have no {kind.name} of that name.")
    return act(request, what, name=group.name, group=str(group.pk))


@action
def add_tag(request: HttpRequest) -> HttpResponse:
    return _put(request, TAGS, "add_tag", Action.ADD_TAG, may_create=True)


@action
def remove_tag(request: HttpRequest) -> HttpResponse:
    return _put(request, TAGS, "add_tag", Action.REMOVE_TAG, may_create=False)


@action
def add_collection(request: HttpRequest) -> HttpResponse:
    return _put(request, COLLECTIONS, "add_collection", Action.ADD_COLLECTION, may_create=True)


@action
def remove_collection(request: HttpRequest) -> HttpResponse:
    return _put(request, COLLECTIONS, "add_collection", Action.REMOVE_COLLECTION, may_create=False)


@action
def move(request: HttpRequest) -> HttpResponse:
    owner_id, name = owner_id_of(request), request.POST.get("move_to", "")
    project = project_named(owner_id, name) or create_project(
        owner_id=owner_id, actor=principal_of(request), name=name
    )
    return act(request, Action.MOVE, name=project.name, project=str(project.pk))


@action
def delete(request: HttpRequest) -> HttpResponse:
    """For good, of what is in the trash."""
    return act(request, Action.DELETE, in_trash=True)


@action
def empty_trash(request: HttpRequest) -> HttpResponse:
    who: dict[str, Any] = {"owner_id": owner_id_of(request), "actor": principal_of(request)}
    return work(request, operations.start(action=Action.DELETE, value={}, source=Source.TRASH, **who))
