"""The Library's pages. Every response is private and not cached."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.access.projects import owned_projects
from generation.assets import listing
from generation.assets.filters import AssetFilter
from generation.assets.infotext import infotext
from generation.assets.memberships import tags_and_collections
from generation.assets.relations import relations_of
from generation.changes import feed
from generation.core.keyset import BadCursor
from generation.core.limits import TITLE_LENGTH
from generation.http.fragments import wants_fragment
from library.filter_bar import filter_bar
from library.grouping_cards import filtered_groups, known_groups
from library.operation_texts import in_work
from library.presenters import Tile, by_day
from library.reader_zone import reader_zone
from library.views.neighbours import neighbours_url
from library.views.owned import completed_or_404, owner_id_of


@never_cache
@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    # Before the rows: what changes between the reads is sent again, never missed.
    at = feed.position(owner_id_of(request))
    projects = owned_projects(owner_id_of(request))
    zone = reader_zone(request)
    filters = AssetFilter.from_query(request.GET, zone=zone.key).within(projects)
    filters = known_groups(owner_id_of(request), filters)
    page = listing.NONE if filters.error else _page(request, filters)
    context: dict[str, object] = {
        "days": by_day(page.assets, zone=zone),
        "more": _more(request, page, filters),
    }
    if wants_fragment(request):
        return render(request, "library/_page.html", context)
    context |= {
        "revision": at.revision,
        "epoch": at.epoch,
        "projects": projects,
        "operations": in_work(owner_id_of(request)),
        "groups": filtered_groups(owner_id_of(request), filters),
        "is_first": "cursor" not in request.GET,
        "socket": f"/ws/library/?{filters.to_query()}",
        "neighbours": neighbours_url(filters.to_query()),
    }
    context |= filter_bar(owner_id_of(request), filters)
    return render(request, "library/home.html", context)


def _page(request: HttpRequest, filters: AssetFilter) -> listing.Page:
    try:
        return listing.library(
            owner_id=owner_id_of(request), only=filters, cursor=request.GET.get("cursor", "")
        )
    except BadCursor as error:
        raise Http404 from error


@never_cache
@login_required
@require_safe
def trash(request: HttpRequest) -> HttpResponse:
    at = feed.position(owner_id_of(request))
    try:
        page = listing.trash(owner_id=owner_id_of(request), cursor=request.GET.get("cursor", ""))
    except BadCursor as error:
        raise Http404 from error
    context: dict[str, object] = {
        "days": by_day(page.assets, zone=reader_zone(request), in_trash=True),
        "more": _more(request, page, AssetFilter()),
    }
    if wants_fragment(request):
        return render(request, "library/_page.html", context)
    context |= {
        "revision": at.revision,
        "epoch": at.epoch,
        "keeps_days": settings.TRASH_DAYS,
        "operations": in_work(owner_id_of(request)),
        "is_first": "cursor" not in request.GET,
        "socket": "/ws/library/?trash=1",
        "neighbours": neighbours_url("trash=1"),
    }
    return render(request, "library/trash.html", context)


@never_cache
@login_required
@require_safe
def asset(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    found = completed_or_404(request, media, asset_id)
    tile = Tile(found, in_trash=found.trashed_at is not None)
    name = "library/_details.html" if wants_fragment(request) else "library/asset.html"
    context = {"tile": tile, "text": infotext(found), "related": relations_of(found)}
    context |= {"title_length": TITLE_LENGTH, **tags_and_collections(found)}
    return render(request, name, context)


def _more(request: HttpRequest, page: listing.Page, filters: AssetFilter) -> str:
    """Where the next page is; empty on the last one."""
    if not page.next_cursor:
        return ""
    return f"{request.path}?{filters.to_query(cursor=page.next_cursor)}"
