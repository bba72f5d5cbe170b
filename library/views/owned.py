"""Who asks, and what of theirs is asked for."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest

from generation.assets import listing
from generation.http.page_requests import owner_id_of
from generation.models import Asset


def completed_or_404(request: HttpRequest, media: str, asset_id: uuid.UUID) -> Asset:
    found = listing.find_asset(owner_id=owner_id_of(request), media=media, asset_id=asset_id)
    if found is None or found.completed_at is None:
        raise Http404
    return found
