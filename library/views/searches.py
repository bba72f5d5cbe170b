"""Saved searches: save, rename, delete."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from generation.access.principals import principal_of
from generation.assets import saved_searches
from generation.assets.saved_searches import BadSavedSearch
from generation.http.page_requests import owner_id_of
from library.responses import done, refused


@never_cache
@login_required
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Also the undo of a deletion, whose address has the fields."""
    given = request.POST if "name" in request.POST else request.GET
    try:
        search = saved_searches.save(
            owner_id=owner_id_of(request),
            actor=principal_of(request),
            name=given.get("name", ""),
            query=given.get("query", ""),
        )
    except BadSavedSearch as error:
        return refused(request, error.message)
    return done(request, f"Saved as “{search.name}”.")


@never_cache
@login_required
@require_POST
def rename(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    owner_id, name = owner_id_of(request), request.POST.get("name", "")
    try:
        found = saved_searches.rename(
            owner_id=owner_id, actor=principal_of(request), search_id=search_id, name=name
        )
    except BadSavedSearch as error:
        return refused(request, error.message)
    if found is None:
        raise Http404
    return done(request, f"It is “{found.name}” now.")


@never_cache
@login_required
@require_POST
def delete(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    owner_id = owner_id_of(request)
    gone = saved_searches.delete(owner_id=owner_id, actor=principal_of(request), search_id=search_id)
    if gone is None:
        raise Http404
    again = urlencode({"name": gone.name, "query": gone.query})
    undo = f"{reverse('library:save-search')}?{again}"
    return done(request, f"Deleted the search “{gone.name}”.", undo=undo)
