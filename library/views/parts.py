"""What the grid's script asks for beside the tiles: how many there are where, and the ids of a range."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.access.projects import owned_projects
from generation.assets import listing
from generation.assets.filters import AssetFilter
from generation.assets.search.query import BadSearch
from generation.changes import library_hours
from generation.http.page_requests import owner_id_of
from library import spans
from library.reader_zone import reader_zone

# Of what a filter leaves, or the trash has, so many are counted by reading them; older ones follow by pages.
COUNTED = 10_000
MAX_IDS = 10_000


@never_cache
@login_required
@require_safe
def parts(request: HttpRequest) -> JsonResponse:
    """`{parts: [[the oldest hour, the number], …], complete}`, newest first."""
    try:
        rows = _listing(request)
        if rows is None:
            hours, complete = library_hours.newest_first(owner_id_of(request)), True
        else:
            hours, complete = rows.newest_hours(COUNTED)
    except BadSearch:  # the page says so
        hours, complete = [], True
    return JsonResponse({"parts": spans.parts(hours, reader_zone(request)), "complete": complete})


@never_cache
@login_required
@require_safe
def ids(request: HttpRequest) -> JsonResponse:
    """`{ids, complete}`: those from the tile with the key `from` to the one with the key `to`."""
    try:
        one, other = (spans.place_of(request.GET, name) for name in ("from", "to"))
        rows = _listing(request) or listing.saved(owner_id=owner_id_of(request))
    except (BadSearch, spans.BadSpan):
        return JsonResponse({"ids": [], "complete": False}, status=422)
    found = rows.ids_between(one, other, MAX_IDS + 1)
    return JsonResponse({"ids": found[:MAX_IDS], "complete": len(found) <= MAX_IDS})


def _listing(request: HttpRequest) -> listing.Listing | None:
    """What the page lists; None for the whole Library, whose hours are kept. Raises BadSearch."""
    owner_id = owner_id_of(request)
    if "trash" in request.GET:
        return listing.trashed(owner_id=owner_id)
    filters = AssetFilter.from_query(request.GET, zone=reader_zone(request).key)
    if not filters:
        return None
    filters = filters.within(owned_projects(owner_id))
    return listing.saved(owner_id=owner_id, only=filters)
