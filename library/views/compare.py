"""Two to four assets side by side, at an address of their own."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generation.assets import listing
from generation.assets.selection import MAX_COMPARED, as_query, selected_ids
from generation.http.page_requests import owner_id_of
from library.presenters import Tile
from library.responses import refused

FEWEST = 2


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """A POST, of the form that selects, leads to the address."""
    selected = selected_ids(request)
    if not FEWEST <= len(selected) <= MAX_COMPARED:
        return refused(request, "Choose two to four to compare.")
    if request.method == "POST":
        return redirect(f"{reverse('library:compare')}?{as_query(selected)}")
    found = listing.completed_assets(owner_id=owner_id_of(request), asset_ids=selected)
    if len(found) < len(selected):
        raise Http404
    tiles = [Tile(found[asset_id], in_trash=found[asset_id].trashed_at is not None) for asset_id in selected]
    return render(request, "library/compare.html", {"tiles": tiles})
