"""Search entries follow their assets into the Library and out of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from generation.models import Asset, SearchEntry


def follow(assets: Iterable[Asset]) -> None:
    """Say of these locked assets since when they are in the Library, as their rows now do."""
    SearchEntry.objects.filter(asset__in=[asset.pk for asset in assets]).update(saved_at=_moment())


def with_wrong_moment() -> QuerySet[SearchEntry]:
    """Entries that say something else of it than their assets."""
    one_only = Q(saved_at=None, moment__isnull=False) | Q(saved_at__isnull=False, moment=None)
    others = Q(saved_at__lt=F("moment")) | Q(saved_at__gt=F("moment"))
    return SearchEntry.objects.alias(moment=_moment()).filter(one_only | others)


def correct(entry_id: int) -> None:
    SearchEntry.objects.filter(pk=entry_id).update(saved_at=_moment())


def _moment() -> Subquery:
    return Subquery(Asset.objects.in_library().filter(pk=OuterRef("asset")).values("saved_at")[:1])
