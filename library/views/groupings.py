"""The pages of collections, tags and projects, and what can be done to one."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.access import projects
from generation.access.principals import principal_of
from generation.assets import groupings, merging
from generation.assets.groupings import KINDS
from generation.changes import feed
from generation.core.keyset import BadCursor, newest_by_id
from generation.core.limits import NAME_LENGTH
from generation.http.page_requests import owner_id_of, wants_fragment, wants_json
from generation.models import Project
from library.grouping_cards import SORTS, Sort, cards, kind_of, rows_of
from library.operation_texts import in_work
from library.responses import done, refused
from library.views.action import action
from library.views.bulk import work

PAGE = 60
CHOICES = 1000  # to merge with, in a list; of the newest


@never_cache
@login_required
@require_safe
def index(request: HttpRequest, sort: str) -> HttpResponse:
    owner_id, one = owner_id_of(request), SORTS[sort]
    at = feed.position(owner_id)
    groups, following = _page(request, one)
    context: dict[str, object] = {
        "sort": one,
        "cards": cards(one, groups),
        "more": f"{request.path}?cursor={following}" if following else "",
        "operations": in_work(owner_id),
    }
    if wants_fragment(request):
        return render(request, "library/_groupings.html", context)
    context |= {"sorts": SORTS.values(), "revision": at.revision, "epoch": at.epoch, "length": NAME_LENGTH}
    return render(request, "library/groupings.html", context)


def _page(request: HttpRequest, sort: Sort) -> tuple[list[Any], str]:
    owner_id = owner_id_of(request)
    if sort.name == "project":
        return list(projects.owned_projects(owner_id)), ""
    try:
        return newest_by_id(rows_of(sort, owner_id), request.GET.get("cursor", ""), PAGE)
    except BadCursor as error:
        raise Http404 from error


@never_cache
@login_required
@require_safe
def names(request: HttpRequest, sort: str) -> HttpResponse:
    """The names, for the fields that ask for one."""
    rows = rows_of(SORTS[sort], owner_id_of(request)).order_by("-pk")
    return JsonResponse({"names": list(rows.values_list("name", flat=True)[:CHOICES])})


@never_cache
@login_required
@require_safe
def edit(request: HttpRequest, sort: str, group_id: uuid.UUID) -> HttpResponse:
    owner_id, one = owner_id_of(request), SORTS[sort]
    rows = rows_of(one, owner_id)
    named = cards(one, list(rows.filter(pk=group_id)))
    if not named:
        raise Http404
    others = rows.exclude(pk=group_id).order_by("-pk").values_list("pk", "name")[:CHOICES]
    urls = {what: one.url(what, group_id) for what in ("rename", "merge", "delete")}
    context = {"sort": one, "card": named[0], "others": others, "length": NAME_LENGTH, "urls": urls}
    return render(request, "library/grouping.html", context)


@action
def create(request: HttpRequest, sort: str) -> HttpResponse:
    one = SORTS[sort]
    asked: dict[str, Any] = {
        "owner_id": owner_id_of(request),
        "actor": principal_of(request),
        "name": request.POST.get("name", ""),
    }
    if one.name == "project":
        made: Any = projects.create_project(**asked)
    else:
        made = groupings.create(kind_of(one), **asked)
    return done(request, f"Made “{made.name}”.")


@action
def rename(request: HttpRequest, sort: str, group_id: uuid.UUID) -> HttpResponse:
    one, asked = SORTS[sort], _asked(request)
    asked["name"] = request.POST.get("name", "")
    if one.name == "project":
        made: Any = projects.rename_project(project_id=group_id, **asked)
    else:
        made = groupings.rename(kind_of(one), group_id=group_id, **asked)
    return done(request, f"Renamed to “{made.name}”.")


@action
def merge(request: HttpRequest, sort: str, group_id: uuid.UUID) -> HttpResponse:
    one, into = SORTS[sort], _posted_id(request, "into")
    if into is None:
        return refused(request, f"Choose the {one.name} to merge with.")
    if one.name == "project":
        operation = merging.dissolve(project_id=group_id, into=_project(request, into), **_asked(request))
    else:
        operation = merging.merge(kind_of(one), group_id=group_id, into_id=into, **_asked(request))
    return _gone(request, one, work(request, operation))


@action
def delete(request: HttpRequest, sort: str, group_id: uuid.UUID) -> HttpResponse:
    """Of a project, `assets` says where what is in it goes: `move` or `trash`."""
    one = SORTS[sort]
    if one.name == "project":
        if request.POST.get("assets") not in {"move", "trash"}:
            return refused(request, "Choose what happens to what is in it.")
        discard = request.POST["assets"] == "trash"
        operation = merging.dissolve(project_id=group_id, discard=discard, **_asked(request))
        return _gone(request, one, work(request, operation))
    groupings.delete(kind_of(one), group_id=group_id, **_asked(request))
    undo = one.url("undelete", group_id)
    return _gone(request, one, done(request, "Deleted. What was in it stays in the Library.", undo=undo))


@action
def undelete(request: HttpRequest, sort: str, group_id: uuid.UUID) -> HttpResponse:
    group = groupings.undelete(KINDS[sort], group_id=group_id, **_asked(request))
    return done(request, f"“{group.name}” is back.")


def _gone(request: HttpRequest, sort: Sort, answer: HttpResponse) -> HttpResponse:
    """Its own page is no longer there to go back to."""
    return answer if wants_json(request) else redirect(sort.index_url)


def _asked(request: HttpRequest) -> dict[str, Any]:
    return {"owner_id": owner_id_of(request), "actor": principal_of(request)}


def _posted_id(request: HttpRequest, name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.POST.get(name, ""))
    except ValueError:
        return None


def _project(request: HttpRequest, project_id: uuid.UUID) -> Project:
    """Raises Http404."""
    found = projects.find_project(owner_id=owner_id_of(request), project_id=project_id)
    if found is None:
        raise Http404
    return found
