"""Addresses on pages that have hundreds of them: reversed once, not once for each tile."""

from __future__ import annotations

import uuid
from functools import cache

from django.urls import reverse

from generation.models import Asset

SOMEBODY = uuid.UUID(int=0)


@cache
def fixed_address(name: str) -> str:
    """Of a page or action without arguments."""
    return reverse(name)


def asset_address(name: str, asset: Asset) -> str:
    """Of what is addressed by an asset's medium and id."""
    before, after = _before_and_after(name, asset.media)
    return f"{before}{asset.pk}{after}"


@cache
def _before_and_after(name: str, media: str) -> tuple[str, str]:
    before, _, after = reverse(name, args=[media, SOMEBODY]).partition(str(SOMEBODY))
    return before, after
