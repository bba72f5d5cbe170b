"""Stacks: of each job only the best of what the page shows; what is done with one is done with all of it."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generation.assets import actions, listing, titles
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS, find_or_create
from generation.assets.memberships import add
from generation.assets.search import newest
from generation.models import Asset
from tests import acting
from tests.acting import user_actor
from tests.factories import make_user
from tests.generation.api.conftest import client_of
from tests.library.conftest import made, shown

pytestmark = pytest.mark.django_db


def best_of(assets: Iterable[Asset]) -> list[str]:
    """In plain Python: of each job the best, the newest first."""
    order = sorted(assets, key=lambda a: (-a.rating, not a.favourite, a.slot))
    first: dict[uuid.UUID, Asset] = {}
    for asset in order:
        first.setdefault(asset.job_id, asset)
    listed = sorted(first.values(), key=lambda a: (a.saved_at, a.pk), reverse=True)
    return [str(asset.pk) for asset in listed]


def marked(owner: User, source: random.Random) -> tuple[list[Asset], uuid.UUID]:
    """Results of several jobs, rated, titled, collected, discarded at random; and the collection."""
    all_of_them = [asset for n in range(7) for asset in made(owner, f"a fox {n}", quantity=(1, 3, 6)[n % 3])]
    all_of_them += made(owner, "a fox runs", job_type="video_fast")
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": user_actor(owner.pk)}
    box = find_or_create(COLLECTIONS, name="Box", **who)
    for asset in all_of_them:
        chosen = [asset.pk]
        if source.random() < 0.5:
            actions.rate(assets=chosen, rating=source.randint(1, 3), **who)
        if source.random() < 0.5:
            actions.set_favourite(assets=chosen, favourite=True, **who)
        if source.random() < 0.3:
            titles.set_title(asset_id=asset.pk, title="owl", **who)
        if source.random() < 0.5:
            add(COLLECTIONS, group_id=box.pk, assets=chosen, **who)
        if source.random() < 0.2:
            actions.discard(assets=chosen, **who)
    return list(Asset.objects.in_library().filter(owner=owner)), box.pk


@pytest.mark.parametrize("seed", range(3))
def test_a_stack_is_the_best_of_what_matches(owner: User, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against plain Python, for filters that siblings pass and fail one by one, page by page."""
    monkeypatch.setattr(newest, "LOOKED_AT", 5)
    monkeypatch.setattr(newest, "SORTED", 6)
    monkeypatch.setattr(newest, "LOOKED_AT_NEXT", 9)
    there, box = marked(owner, random.Random(seed))
    made(make_user(), "a fox of somebody else", quantity=3)
    seeds = [asset.seed for asset in there if asset.seed is not None]
    in_box = set(COLLECTIONS.items.objects.filter(group=box).values_list("asset_id", flat=True))
    for only, fits in [
        (AssetFilter(), lambda a: True),
        (AssetFilter(favourite=True), lambda a: a.favourite),
        (AssetFilter(rating=2), lambda a: a.rating >= 2),
        (AssetFilter(media="image"), lambda a: a.media == "image"),
        (AssetFilter(seed=seeds[0]), lambda a: a.seed == seeds[0]),
        (AssetFilter(q="fox"), lambda a: True),
        (AssetFilter(q="owl"), lambda a: a.title == "owl"),
        (AssetFilter(q="-owl"), lambda a: a.title != "owl"),
        (AssetFilter(q="fox owl", favourite=True), lambda a: a.title == "owl" and a.favourite),
        (AssetFilter(collection_id=box), lambda a: a.pk in in_box),
        (AssetFilter(collection_id=box, q="-owl"), lambda a: a.pk in in_box and a.title != "owl"),
        (AssetFilter(job_id=there[0].job_id), lambda a: a.job_id == there[0].job_id),
    ]:
        expected = best_of(filter(fits, there))
        stacks = listing.saved(owner_id=owner.pk, only=replace(only, stacks=True))
        found, cursor = [], ""
        while True:
            page = stacks.page(cursor, 2)
            found += [str(asset.pk) for asset in page.assets]
            cursor = page.next_cursor
            if not cursor:
                break
        assert found == expected, only
        assert stacks.count() == len(expected), only
        assert stacks.count(most=1) == min(2, len(expected)), only
        assert sum(number for _, number in stacks.newest_hours(100)[0]) == len(expected), only
        rows = replace(only, stacks=True).apply(Asset.objects.all(), owner_id=owner.pk)
        assert {str(pk) for pk in rows.values_list("pk", flat=True)} == set(expected), only


def page(reader: Client, query: str = "stacks=1") -> str:
    return reader.get(f"/library/?{query}").content.decode()


def badges(html: str) -> list[tuple[str, str]]:
    found = re.findall(r'class="badge stack" href="([^"]+)" aria-label="Open the stack of (\d+)"', html)
    return [(unescape(url), size) for url, size in found]


def test_a_stack_says_how_many_it_holds_and_opens_to_them(reader: Client, owner: User) -> None:
    six = made(owner, quantity=6)
    [single] = made(owner, quantity=1)
    acting.rate(owner_id=owner.pk, assets=[six[4].pk], rating=2)
    html = page(reader)
    assert shown(html) == [str(single.pk), str(six[4].pk)]
    [(url, size)] = badges(html)
    assert size == "6"
    opened = reader.get(url).content.decode()
    assert set(shown(opened)) == {str(asset.pk) for asset in six}
    assert not badges(opened)
    assert 'href="?stacks=1" aria-label="Without One stack"' in opened  # the way back
    assert 'name="job" value="' in opened  # a further facet keeps it

    favourite = "stacks=1&favourite=1"
    acting.set_favourite(owner_id=owner.pk, assets=[six[0].pk, six[1].pk], favourite=True)
    html = page(reader, favourite)
    assert shown(html) == [str(six[0].pk)]
    [(url, size)] = badges(html)
    assert size == "2"
    assert len(shown(reader.get(url).content.decode())) == 2
    assert "1 stack" in html


def test_the_number_of_queries_is_that_of_one_stack(reader: Client, owner: User) -> None:
    made(owner, quantity=3)
    page(reader)
    with CaptureQueriesContext(connection) as one:
        page(reader)
    for _ in range(5):
        made(owner, quantity=3)
    with CaptureQueriesContext(connection) as several:
        page(reader)
    assert len(one) == len(several)


def test_what_is_done_with_a_stack_is_done_with_all_of_it(
    reader: Client, owner: User, stranger: Client
) -> None:
    """By a form, with `all=1` too; one that is left out of all is left out with all it holds."""
    first, second = made(owner, quantity=3), made(owner, quantity=3)
    other = made(make_user("third"), quantity=3)
    [best, _, _] = first
    fields = {"asset": [str(best.pk), str(other[0].pk)], "within": "stacks=1"}
    assert 'name="within" value="stacks=1"' in page(reader)
    for url, field, value in [
        ("/library/favourite", "favourite", True),
        ("/library/rate?stars=4", "rating", 4),
    ]:
        reader.post(url, fields)
        changed = Asset.objects.filter(**{field: value})
        assert set(changed) == set(first)
    stranger.post("/library/favourite", fields)
    assert Asset.objects.filter(favourite=True).count() == 3

    everything = {"all": "1", "stacks": "1", "except": [str(best.pk)]}
    reader.post("/library/rate?stars=2", everything)
    assert set(Asset.objects.filter(rating=2)) == set(second)
    reader.post("/library/discard", {"asset": [str(second[0].pk)], "within": "stacks=1"})
    assert set(Asset.objects.in_trash()) == set(second)
    reader.post("/library/favourite", {"asset": [str(best.pk)], "within": "stacks=1&rating=5"})
    archive: Any = reader.post("/downloads/", fields, follow=True)
    assert archive.status_code == 200
    names = b"".join(archive.streaming_content)
    assert names.count(b".png") >= 3


def test_the_api_lists_stacks(owner: User) -> None:
    images = made(owner, quantity=3)
    acting.rate(owner_id=owner.pk, assets=[images[2].pk], rating=1)
    owner_api = client_of(owner)
    listed = owner_api.get("/api/v1/assets", {"stacks": "1"}).json()
    assert [asset["id"] for asset in listed["assets"]] == [str(images[2].pk)]
    of_job = owner_api.get("/api/v1/assets", {"job": str(images[0].job_id)}).json()
    assert len(of_job["assets"]) == 3
    assert owner_api.get("/api/v1/assets", {"job": "nonsense"}).status_code == 422
