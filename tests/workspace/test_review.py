"""Reviewing a stack in one move, and taking it back exactly."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.assets.listing import find_asset
from generation.models import Asset
from tests import acting
from tests.factories import complete, fresh, make_job

JSON = {"Accept": "application/json"}
STATE = ("pk", "saved_at", "trashed_at", "rating", "favourite")


def post(client: Client, url: str, **more: Any) -> dict[str, Any]:
    return dict(client.post(url, headers=JSON, **more).json())


def keep_url(asset: Asset) -> str:
    return f"/workspace/assets/{asset.media}/{asset.pk}/keep"


def states(owner: User) -> list[tuple[object, ...]]:
    return list(Asset.objects.filter(owner=owner).order_by("pk").values_list(*STATE))


def where(*assets: Asset) -> str:
    """Where each is now: s(aved), t(rash) or r(eview)."""
    now = [find_asset(owner_id=asset.owner_id, asset_id=asset.pk) for asset in assets]
    return "".join("t" if asset.trashed_at else "s" if asset.saved_at else "r" for asset in now if asset)


@pytest.fixture
def results(owner: User) -> list[Asset]:
    """Six under review: the second rated, the third a favourite, the fourth saved, the fifth discarded."""
    results = complete(make_job(owner, quantity=6, review=True))
    ids = [asset.pk for asset in results]
    acting.rate(owner_id=owner.pk, assets=ids[1:2], rating=2)
    acting.set_favourite(owner_id=owner.pk, assets=ids[2:3], favourite=True)
    acting.save(owner_id=owner.pk, assets=ids[3:4])
    acting.discard(owner_id=owner.pk, assets=ids[4:5])
    return results


def test_keeping_one_spares_what_was_decided_and_one_undo_restores_all(
    signed_in: Client, owner: User, results: list[Asset]
) -> None:
    """Pitfalls 28 and 39"""
    before = states(owner)
    answer = post(signed_in, keep_url(results[0]))
    assert answer["message"] == "Kept it, discarded 1."
    assert where(*results) == "srrstt"
    assert post(signed_in, answer["undo"]["url"])["message"] == "As it was before."
    assert states(owner) == before
    again = signed_in.post(answer["undo"]["url"], headers=JSON)
    assert (again.status_code, states(owner)) == (409, before)


def test_keeping_one_of_a_job_that_saved_by_itself_discards_the_others(
    signed_in: Client, owner: User
) -> None:
    results = complete(make_job(owner, quantity=3))
    acting.rate(owner_id=owner.pk, assets=[results[1].pk], rating=1)
    before = states(owner)
    answer = post(signed_in, keep_url(results[0]))
    assert where(*results) == "sst"
    post(signed_in, answer["undo"]["url"])
    assert states(owner) == before


@pytest.mark.parametrize(("what", "after"), [("save", "ssssts"), ("discard", "trrstt")])
def test_a_whole_stack_is_saved_or_its_rest_discarded_and_that_is_undone(
    signed_in: Client, owner: User, results: list[Asset], what: str, after: str
) -> None:
    before = states(owner)
    shown = signed_in.get("/").content.decode()
    assert ">Save the rest</button>" in shown
    assert ">Discard the rest</button>" in shown
    answer = post(signed_in, f"/workspace/jobs/{results[0].job_id}/{what}")
    assert where(*results) == after
    post(signed_in, answer["undo"]["url"])
    assert states(owner) == before


def test_the_undo_of_a_save_brings_back_for_review_also_what_was_cleared(
    signed_in: Client, owner: User
) -> None:
    [image] = complete(make_job(owner, quantity=1, review=True))
    answer = post(signed_in, f"/workspace/assets/image/{image.pk}/save")
    acting.clear(owner_id=owner.pk)
    assert fresh(image.job).cleared_at
    post(signed_in, answer["undo"]["url"])
    assert where(image) == "r"
    assert not fresh(image.job).cleared_at


def test_what_has_changed_since_stays(signed_in: Client, owner: User, results: list[Asset]) -> None:
    answer = post(signed_in, keep_url(results[0]))
    acting.rate(owner_id=owner.pk, assets=[results[0].pk], rating=5)
    assert post(signed_in, answer["undo"]["url"])["message"] == "1 as before; 1 changed since and stays so."
    assert where(*results) == "srrstr"


def test_what_is_in_the_trash_is_not_kept(signed_in: Client, owner: User, results: list[Asset]) -> None:
    before = states(owner)
    assert signed_in.post(keep_url(results[4]), headers=JSON).status_code == 409
    assert states(owner) == before


def test_a_stranger_reviews_nothing(
    signed_in: Client, stranger: Client, owner: User, results: list[Asset]
) -> None:
    answer, kept = post(signed_in, keep_url(results[0])), states(owner)
    assert stranger.post(keep_url(results[5]), headers=JSON).status_code == 404
    for undo in (answer["undo"]["url"], "/workspace/undo-review?saved=\0,x," + "9" * 5000):
        assert stranger.post(undo, headers=JSON).status_code == 409
    assert states(owner) == kept


def test_without_a_script_the_undo_is_on_the_next_page(signed_in: Client, results: list[Asset]) -> None:
    menu = signed_in.get(f"/workspace/assets/image/{results[0].pk}/menu").content.decode()
    assert f'formaction="{keep_url(results[0])}"' in menu
    html = signed_in.post(keep_url(results[0]), follow=True).content.decode()
    assert 'formaction="/workspace/undo-review?saved=' in html


def test_its_queries_do_not_grow(signed_in: Client, owner: User, django_assert_num_queries: Any) -> None:
    few = complete(make_job(owner, quantity=3, review=True))
    many = complete(make_job(owner, quantity=6, review=True))
    for results in (few, many):
        with django_assert_num_queries(18):
            answer = post(signed_in, keep_url(results[0]))
        assert answer["message"] == f"Kept it, discarded {len(results) - 1}."
