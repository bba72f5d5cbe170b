"""Ratings and favourites."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User

from generation.assets import listing
from generation.assets.actions import MAX_IDS
from generation.assets.filters import AssetFilter
from generation.changes import feed
from generation.core.errors import TooMany
from generation.models import Asset, Worker
from tests.acting import discard, rate, set_favourite
from tests.factories import complete, make_job, make_user


@pytest.fixture
def images(owner: User, worker: Worker) -> list[Asset]:
    """Three images in the Library."""
    return complete(make_job(owner, quantity=3), worker)


def ids(assets: list[Asset]) -> list[uuid.UUID]:
    return [asset.pk for asset in assets]


def ratings(assets: list[Asset]) -> list[int]:
    stars = dict(Asset.objects.values_list("pk", "rating"))
    return [stars[asset.pk] for asset in assets]


def favourites(owner: User) -> set[uuid.UUID]:
    return set(Asset.objects.of(owner.pk).filter(favourite=True).values_list("pk", flat=True))


def test_stars_are_given_and_taken_back(owner: User, images: list[Asset]) -> None:
    assert rate(owner_id=owner.pk, assets=ids(images[:2]), rating=4) == 2
    assert ratings(images) == [4, 4, 0]
    assert rate(owner_id=owner.pk, assets=ids(images), rating=0) == 2
    assert ratings(images) == [0, 0, 0]


def test_the_same_stars_again_take_no_revision(owner: User, images: list[Asset]) -> None:
    rate(owner_id=owner.pk, assets=ids(images), rating=5)
    set_favourite(owner_id=owner.pk, assets=ids(images), favourite=True)
    before = feed.position(owner.pk).revision

    assert rate(owner_id=owner.pk, assets=ids(images), rating=5) == 0
    assert set_favourite(owner_id=owner.pk, assets=ids(images), favourite=True) == []
    assert feed.position(owner.pk).revision == before


def test_the_change_feed_tells_of_both(owner: User, images: list[Asset]) -> None:
    before = feed.position(owner.pk).revision
    rate(owner_id=owner.pk, assets=ids(images[:1]), rating=3)
    set_favourite(owner_id=owner.pk, assets=ids(images[1:2]), favourite=True)

    told = {asset.pk: asset for asset in feed.changes(owner_id=owner.pk, after=before).assets}
    assert (told[images[0].pk].rating, told[images[1].pk].favourite) == (3, True)
    assert len(told) == 2


def test_only_what_changed_is_named_so_that_an_undo_is_exact(owner: User, images: list[Asset]) -> None:
    """pitfall 39: an undo that also takes what was a favourite before."""
    set_favourite(owner_id=owner.pk, assets=ids(images[:1]), favourite=True)

    changed = set_favourite(owner_id=owner.pk, assets=ids(images), favourite=True)
    assert changed == sorted(ids(images[1:]))

    set_favourite(owner_id=owner.pk, assets=changed, favourite=False)
    assert favourites(owner) == {images[0].pk}


def test_a_stranger_and_a_slot_without_a_result_change_nothing(owner: User, images: list[Asset]) -> None:
    stranger = make_user("stranger")
    waiting = make_job(owner).slots
    for owner_id, assets in ((stranger.pk, ids(images)), (owner.pk, ids(waiting))):
        assert rate(owner_id=owner_id, assets=assets, rating=5) == 0
        assert set_favourite(owner_id=owner_id, assets=assets, favourite=True) == []
    assert ratings(images) == [0, 0, 0]
    assert not favourites(owner)


def test_too_many_at_once_change_nothing(owner: User) -> None:
    many = [uuid.uuid4() for _ in range(MAX_IDS + 1)]
    with pytest.raises(TooMany):
        rate(owner_id=owner.pk, assets=many, rating=5)
    with pytest.raises(TooMany):
        set_favourite(owner_id=owner.pk, assets=many, favourite=True)


def test_the_filter_finds_them_and_nothing_in_the_trash(owner: User, images: list[Asset]) -> None:
    def found(**fields: object) -> list[uuid.UUID]:
        only = AssetFilter(**fields)  # type: ignore[arg-type] # one field each
        return ids(listing.library(owner_id=owner.pk, only=only).assets)

    for image, stars in zip(images, (5, 3, 1), strict=True):
        rate(owner_id=owner.pk, assets=[image.pk], rating=stars)
    set_favourite(owner_id=owner.pk, assets=ids(images[:2]), favourite=True)

    assert sorted(found(rating=3)) == sorted(ids(images[:2]))
    assert found(rating=4) == [images[0].pk]
    assert sorted(found(favourite=True)) == sorted(ids(images[:2]))
    discard(owner_id=owner.pk, assets=[images[0].pk])
    assert found(favourite=True) == [images[1].pk]
    assert found(rating=4) == []


@pytest.mark.parametrize("query", [{"rating": "6"}, {"rating": "x"}, {"rating": "-1"}, {"favourite": "yes"}])
def test_nonsense_in_an_address_narrows_nothing(query: dict[str, str]) -> None:
    assert AssetFilter.from_query(query) == AssetFilter()


def test_a_filter_survives_its_address() -> None:
    only = AssetFilter(q="a b", rating=4, favourite=True)
    assert only.to_query() == "q=a+b&rating=4&favourite=1"
    assert only.narrows_more
    assert not AssetFilter(q="a").narrows_more
