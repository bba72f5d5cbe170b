"""The stacks of a page: how many each holds, and where it opens to them."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.urls import reverse

from generation.assets import stacks
from generation.assets.filters import AssetFilter
from generation.models import Asset
from library.presenters import Stack


def stacks_of(owner_id: int, only: AssetFilter, assets: Collection[Asset]) -> dict[uuid.UUID, Stack]:
    """Those of more than one, by job, in one query; none on a page that is not asked for stacks."""
    if not only.stacks or not assets:
        return {}
    sizes = stacks.sizes(only.fitting(owner_id), assets)
    return {job_id: Stack(size, stack_url(only, job_id)) for job_id, size in sizes.items() if size > 1}


def stack_url(only: AssetFilter, job_id: uuid.UUID) -> str:
    """What the stack holds, as a page of the Library."""
    return f"{reverse('library:home')}?{only.opened.to_query(job=str(job_id))}"
