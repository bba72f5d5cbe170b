"""Stars and favourites on the pages, as plain forms and from the page's script."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.models import Asset
from tests.library.conftest import made, shown

JSON = {"Accept": "application/json"}


def rating_of(asset: Asset) -> int:
    return Asset.objects.get(pk=asset.pk).rating


def rate(client: Client, asset: Asset, stars: str, **options: object) -> object:
    address = f"/library/{asset.media}/{asset.pk}/rate?rating={stars}"
    return client.post(address, **options)  # type: ignore[arg-type] # the test client's own options


def test_a_plain_form_rates_and_its_undo_gives_the_stars_from_before(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)
    rate(reader, asset, "2")

    page = reader.post(f"/library/image/{asset.pk}/rate", {"rating": "5"}, follow=True).content.decode()

    assert rating_of(asset) == 5
    assert "Rated 5 of 5." in page
    assert f'formaction="/library/image/{asset.pk}/rate?rating=2"' in page


def test_the_pages_script_gets_the_undo_as_an_address(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)

    answer = reader.post(f"/library/image/{asset.pk}/rate?rating=4", headers=JSON).json()

    undo = {"url": f"/library/image/{asset.pk}/rate?rating=0", "fields": {"asset": []}}
    assert answer == {"ok": True, "message": "Rated 4 of 5.", "undo": undo}


@pytest.mark.parametrize("stars", ["6", "-1", "", "x", "4.5", "04"])
def test_what_is_no_rating_is_refused_with_a_sentence(reader: Client, owner: User, stars: str) -> None:
    [asset] = made(owner, quantity=1)

    response = reader.post(f"/library/image/{asset.pk}/rate", {"rating": stars}, headers=JSON)

    assert response.status_code == 422
    assert response.json()["message"] == "A rating is 1 to 5 stars, or 0 for none."
    assert rating_of(asset) == 0


def test_a_strangers_asset_does_not_exist(stranger: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)

    assert stranger.post(f"/library/image/{asset.pk}/rate", {"rating": "5"}).status_code == 404
    stranger.post("/library/favourite", {"asset": [str(asset.pk)]})

    assert (rating_of(asset), Asset.objects.get().favourite) == (0, False)


def test_a_selection_becomes_favourites_and_the_undo_names_only_what_changed(
    reader: Client, owner: User
) -> None:
    """pitfall 39"""
    one, two = made(owner, quantity=1) + made(owner, quantity=1)
    reader.post("/library/favourite", {"asset": [str(one.pk)]})

    answer = reader.post("/library/favourite", {"asset": [str(one.pk), str(two.pk)]}, headers=JSON).json()

    assert answer["message"] == "Added to the favourites."
    assert answer["undo"] == {"url": "/library/unfavourite", "fields": {"asset": [str(two.pk)]}}
    again = reader.post("/library/favourite", {"asset": [str(one.pk)]}, headers=JSON).json()
    assert again == {"ok": True, "message": "Nothing was changed."}


def test_the_page_filters_by_stars_and_favourites(reader: Client, owner: User) -> None:
    low, high = made(owner, quantity=1) + made(owner, quantity=1)
    rate(reader, low, "2")
    rate(reader, high, "5")
    reader.post("/library/favourite", {"asset": [str(high.pk)]})

    for query in ("rating=3", "favourite=1", "rating=5&favourite=1"):
        page = reader.get(f"/library/?{query}").content.decode()
        assert shown(page) == [str(high.pk)], query
        assert f"/ws/library/?{query}".replace("&", "&amp;") in page
    assert shown(reader.get("/library/?rating=2").content.decode()) == [str(high.pk), str(low.pk)]


def test_tile_and_details_show_them(reader: Client, owner: User) -> None:
    [asset] = made(owner, quantity=1)
    rate(reader, asset, "3")
    reader.post("/library/favourite", {"asset": [str(asset.pk)]})

    grid = reader.get("/library/").content.decode()
    details = reader.get(f"/library/image/{asset.pk}/").content.decode()

    assert "3 of 5 stars" in grid
    assert ">Favourite</span>" in grid
    assert details.count('aria-pressed="true"') == 4  # three stars and the heart
    assert f"/library/image/{asset.pk}/rate?rating=0" in details  # pressing the third takes them back
