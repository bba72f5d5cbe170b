"""Presenters of the Library: an asset as a tile, built from its row alone, without a query or a request."""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from types import MappingProxyType

from django.conf import settings
from django.utils import timezone

from generation.assets.download_names import download_name
from generation.core.limits import MAX_RATING
from generation.http.addresses import asset_address
from generation.media.formats import SMALL_EDGE, THUMBNAIL_EDGE
from generation.models import Asset

KEY_MOMENT = "%Y%m%d%H%M%S%f"
USUAL_HEIGHT = 208  # of a row, in px, as in static/css/library.css


@dataclass(frozen=True)
class Tile:
    """One saved asset, or in the trash one that was discarded."""

    asset: Asset
    in_trash: bool = False
    stack: Stack | None = None  # whose best it is, where there are others

    @cached_property
    def moment(self) -> datetime:
        """What the page is ordered by."""
        moment = self.asset.trashed_at if self.in_trash else self.asset.ranked_at or self.asset.saved_at
        assert moment is not None, "the asset is not on this page"
        return moment

    @property
    def key(self) -> str:
        """The moment in UTC and the id: sorts as text as the page is sorted, the other way round."""
        return f"{self.moment.astimezone(UTC):{KEY_MOMENT}}-{self.asset.pk.hex}"

    @property
    def ratio(self) -> str:
        """Width to height, for CSS."""
        return f"{(self.asset.width or 1) / (self.asset.height or 1):.4f}"

    @property
    def usual_width(self) -> int:
        """In px, in a row of the usual height."""
        return max(1, round(USUAL_HEIGHT * (self.asset.width or 1) / (self.asset.height or 1)))

    @property
    def tint(self) -> str:
        """What stands there until the picture is loaded, for CSS; empty where it is not known."""
        colours = self.asset.placeholder
        return f"linear-gradient(#{colours[:6]},#{colours[6:]})" if colours else ""

    @property
    def srcset(self) -> str:
        """Both thumbnails with their widths; empty where there is only one."""
        if not self.asset.small_thumbnail:
            return ""
        address = asset_address("media:thumbnail", self.asset)
        share = min(1.0, (self.asset.width or 1) / (self.asset.height or 1))
        small, large = (max(1, round(edge * share)) for edge in (SMALL_EDGE, THUMBNAIL_EDGE))
        return f"{address}?small {small}w, {address} {large}w"

    @property
    def duration(self) -> str:
        return clock(self.asset.duration)

    @property
    def download_name(self) -> str:
        return download_name(self.asset)

    @property
    def number(self) -> int | None:
        """Which of its batch a picture is, from 1."""
        return None if self.asset.image_index is None else self.asset.slot + 1

    @property
    def stars(self) -> list[Star]:
        """The buttons that rate it."""
        given = self.asset.rating
        return [
            Star(stars, stars <= given, 0 if stars == given else stars) for stars in range(1, MAX_RATING + 1)
        ]

    @property
    def days_left(self) -> int:
        """Days until the trash is emptied of it, begun ones counted; 1 or less on the last day."""
        assert self.asset.trashed_at is not None
        left = self.asset.trashed_at + timedelta(days=settings.TRASH_DAYS) - timezone.now()
        return max(0, math.ceil(left / timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Stack:
    """How many results of a job are shown as one, and where they are shown by themselves."""

    size: int
    url: str


@dataclass(frozen=True, slots=True)
class Star:
    """One star of a rating. Pressing the last one that is on takes the rating back."""

    number: int
    is_on: bool
    sets: int


@dataclass(frozen=True, slots=True)
class Day:
    """The tiles of one date under its heading; without a date where the most alike come first."""

    date: date | None
    tiles: list[Tile]


def by_day(
    assets: Iterable[Asset],
    *,
    zone: tzinfo,
    in_trash: bool = False,
    stacks: Mapping[uuid.UUID, Stack] = MappingProxyType({}),
    is_ranked: bool = False,
) -> list[Day]:
    """Assets that are in the page's order, under their dates in `zone`; `stacks` by job.

    The tiles themselves are the same for every reader, so that sockets can share them.
    """
    tiles = [Tile(asset, in_trash, stacks.get(asset.job_id)) for asset in assets]
    if is_ranked:
        return [Day(None, tiles)] if tiles else []
    days = itertools.groupby(tiles, lambda tile: tile.moment.astimezone(zone).date())
    return [Day(day, list(same)) for day, same in days]


def clock(seconds: float | None) -> str:
    """0:05 for five seconds; empty when the length is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    return f"{minutes}:{rest:02}"
