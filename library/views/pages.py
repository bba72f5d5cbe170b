"""The Library's pages. Every response is private and not cached."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.access.projects import owned_projects
from generation.assets import listing
from generation.assets.embeddings import model as embedding_model
from generation.assets.filters import AssetFilter
from generation.assets.infotext import infotext
from generation.assets.memberships import tags_and_collections
from generation.assets.relations import relations_of
from generation.changes import feed
from generation.core.keyset import BadCursor
from generation.core.limits import TITLE_LENGTH
from generation.http.page_requests import owner_id_of, wants_fragment
from library.filter_bar import filter_bar
from library.grouping_cards import filtered_groups, known_groups
from library.operation_texts import in_work
from library.presenters import Tile, by_day
from library.reader_zone import reader_zone
from library.spans import BadSpan, Span
from library.stacks import stacks_of
from library.views.owned import completed_or_404

DENSITIES = ("small", "medium", "large")  # a cookie that static/js/library-density.js sets


@never_cache
@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    # Before the rows: what changes between the reads is sent again, never missed.
    at = feed.position(owner_id_of(request))
    projects = owned_projects(owner_id_of(request))
    zone = reader_zone(request)
    filters = AssetFilter.from_query(request.GET, zone=zone.key).within(projects)
    filters = known_groups(owner_id_of(request), filters).looked_up(owner_id_of(request))
    page = listing.NONE
    if not filters.error:
        page = _page(request, listing.saved(owner_id=owner_id_of(request), only=filters))
    stacks = stacks_of(owner_id_of(request), filters, page.assets)
    context: dict[str, object] = {
        "days": by_day(page.assets, zone=zone, stacks=stacks, is_ranked=filters.is_by_content),
        "more": _more(request, page, filters.to_query),
    }
    if wants_fragment(request):
        return render(request, "library/_page.html", context)
    context |= {
        "grid": _grid(request, at, filters.to_query()) | {"is_ranked": filters.is_by_content},
        "projects": projects,
        "operations": in_work(owner_id_of(request)),
        "groups": (groups := filtered_groups(owner_id_of(request), filters)),
    }
    context |= filter_bar(owner_id_of(request), filters, groups)
    return render(request, "library/home.html", context)


@never_cache
@login_required
@require_safe
def trash(request: HttpRequest) -> HttpResponse:
    at = feed.position(owner_id_of(request))
    page = _page(request, listing.trashed(owner_id=owner_id_of(request)))
    context: dict[str, object] = {
        "days": by_day(page.assets, zone=reader_zone(request), in_trash=True),
        "more": _more(request, page, AssetFilter().to_query),
    }
    if wants_fragment(request):
        return render(request, "library/_page.html", context)
    context |= {
        "grid": _grid(request, at, "trash=1"),
        "keeps_days": settings.TRASH_DAYS,
        "operations": in_work(owner_id_of(request)),
    }
    return render(request, "library/trash.html", context)


def _page(request: HttpRequest, rows: listing.Listing) -> listing.Page:
    try:
        return Span.from_query(request.GET).page(rows, request.GET.get("cursor", ""))
    except (BadCursor, BadSpan) as error:
        raise Http404 from error


def _more(request: HttpRequest, page: listing.Page, query: Callable[..., str]) -> str:
    """Where the next page is; empty on the last one."""
    if not page.next_cursor:
        return ""
    return f"{request.path}?{query(from_hour=request.GET.get('from_hour', ''), cursor=page.next_cursor)}"


def _grid(request: HttpRequest, at: feed.Position, query: str) -> dict[str, object]:
    """What the grid's script is told."""
    density = request.COOKIES.get("density", "")
    return {
        "revision": at.revision,
        "epoch": at.epoch,
        "is_first": "cursor" not in request.GET,
        "filter": query,
        "pages": f"{request.path}?{query}",
        "socket": f"/ws/library/?{query}",
        "parts": f"{reverse('library:parts')}?{query}",
        "ids": f"{reverse('library:ids')}?{query}",
        "density": density if density in DENSITIES else "medium",
    }


@never_cache
@login_required
@require_safe
def asset(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    found = completed_or_404(request, media, asset_id)
    tile = Tile(found, in_trash=found.trashed_at is not None)
    name = "library/_details.html" if wants_fragment(request) else "library/asset.html"
    context = {"tile": tile, "text": infotext(found), "related": relations_of(found)}
    context |= {"title_length": TITLE_LENGTH, **tags_and_collections(found)}
    context["has_embeddings"] = bool(found.saved_at and not tile.in_trash and embedding_model.current())
    return render(request, name, context)
