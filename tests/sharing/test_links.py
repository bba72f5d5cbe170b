"""Share links: what whoever has one sees, and what ends it."""

from __future__ import annotations

import io
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.assets import groupings, memberships
from generation.assets.groupings import COLLECTIONS
from generation.core.actors import SYSTEM
from generation.jobs.report_rules import AssetReport
from generation.models import Asset, Collection
from sharing import links
from sharing.models import ShareLink
from tests import acting, factories

SECRET = "quokka in the attic"


@pytest.fixture
def owner(db: None) -> User:
    return factories.make_user("the-owner")


@pytest.fixture
def sharer(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def with_text() -> bytes:
    out, text = io.BytesIO(), PngInfo()
    text.add_text("parameters", SECRET)
    Image.new("RGB", (64, 48), (200, 30, 40)).save(out, "PNG", pnginfo=text)
    return out.getvalue()


def saved(owner: User, **submission: Any) -> Asset:
    job = factories.make_job(owner, prompt=SECRET, negative_prompt=SECRET, quantity=1, **submission)
    leased = factories.lease_next(factories.make_worker())
    upload = factories.upload(leased, 0, with_text())
    index = leased.slots[0].image_index
    factories.call_back(leased, AssetReport(image_index=index, status="completed", upload_id=upload.pk))
    return Asset.objects.get(job=job)


def collection_of(owner: User, *assets: Asset) -> Collection:
    group: Collection = groupings.create(COLLECTIONS, owner_id=owner.pk, actor=SYSTEM, name="For you")
    memberships.add(
        COLLECTIONS, owner_id=owner.pk, actor=SYSTEM, group_id=group.pk, assets=[asset.pk for asset in assets]
    )
    return group


def share(client: Client, **fields: str) -> str:
    """The address of a new link, as the owner's page shows it."""
    page = client.post("/sharing/new", {"days": "7"} | fields, follow=True)
    assert page.status_code == 200
    [first, *_] = re.findall(r'value="http://testserver(/s/[^"]+)"', page.content.decode())
    return str(first)


def status(address: str) -> int:
    """What anybody is answered, with the whole body read."""
    answer = Client().get(address)
    answer.getvalue()
    return int(answer.status_code)


def everything(client: Client, address: str) -> bytes:
    """The page and all that it leads to within the link."""
    page = client.get(address).content
    found = page
    for inner in set(re.findall(r'(?:src|href|poster)="(/s/[^"]+)"', page.decode())):
        answer = client.get(inner)
        assert answer.status_code == 200
        found += answer.getvalue()
    return bytes(found)


def test_whoever_has_the_link_sees_the_picture_and_nothing_of_how_it_was_made(
    sharer: Client, owner: User
) -> None:
    asset = saved(owner)
    address = share(sharer, asset=str(asset.pk))

    page = Client().get(address)
    file = Client().get(f"{address}{asset.pk}/file")
    content = file.getvalue()

    assert page.status_code == 200
    assert (page["Referrer-Policy"], page["X-Robots-Tag"]) == ("no-referrer", "noindex, nofollow")
    assert "no-store" in page["Cache-Control"]
    assert SECRET.encode() not in everything(Client(), address)
    assert "quokka" not in str(file.headers)
    assert b"the-owner" not in page.content
    with Image.open(io.BytesIO(content)) as shown, Image.open(io.BytesIO(with_text())) as original:
        assert shown.tobytes() == original.tobytes()
    ranged = Client().get(f"{address}{asset.pk}/file", headers={"Range": "bytes=20-99"})
    assert (ranged.status_code, ranged.getvalue()) == (206, content[20:100])


def test_with_parameters_the_prompt_is_shown_and_the_file_is_the_original(
    sharer: Client, owner: User
) -> None:
    asset = saved(owner)
    address = share(sharer, asset=str(asset.pk), with_parameters="1")
    assert SECRET in Client().get(address).content.decode()
    assert Client().get(f"{address}{asset.pk}/file").getvalue() == with_text()


def test_a_collections_link_follows_the_collection_and_shows_nothing_else(
    sharer: Client, owner: User, django_assert_num_queries: Any
) -> None:
    inside, other, later = (saved(owner) for _ in range(3))
    group = collection_of(owner, inside)
    address = share(sharer, collection=str(group.pk))
    anybody = Client()
    with django_assert_num_queries(3):  # the link, its assets, the count
        assert anybody.get(address).content.decode().count('<img src="/s/') == 1

    assert anybody.get(f"{address}{inside.pk}/").status_code == 200
    for what in ("", "file", "thumbnail"):
        assert anybody.get(f"{address}{other.pk}/{what}").status_code == 404

    memberships.add(COLLECTIONS, owner_id=owner.pk, actor=SYSTEM, group_id=group.pk, assets=[later.pk])
    acting.discard(owner_id=owner.pk, assets=[inside.pk])
    with django_assert_num_queries(3):
        assert str(later.pk) in anybody.get(address).content.decode()
    assert anybody.get(f"{address}{inside.pk}/file").status_code == 404
    assert SECRET.encode() not in everything(anybody, address)

    groupings.delete(COLLECTIONS, owner_id=owner.pk, actor=SYSTEM, group_id=group.pk)
    assert anybody.get(address).status_code == 404


def _expire(link: ShareLink, _: Asset) -> None:
    ShareLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def _revoke(link: ShareLink, _: Asset) -> None:
    links.revoke_link(owner_id=link.owner_id, actor=SYSTEM, link_id=link.pk)


def _discard(link: ShareLink, asset: Asset) -> None:
    acting.discard(owner_id=link.owner_id, assets=[asset.pk])


def _deactivate(link: ShareLink, _: Asset) -> None:
    User.objects.update(is_active=False)


@pytest.mark.parametrize("end", [_expire, _revoke, _discard, _deactivate])
def test_what_ends_a_link_ends_its_files_too(sharer: Client, owner: User, end: Any) -> None:
    asset = saved(owner)
    address = share(sharer, asset=str(asset.pk))
    addresses = [address, *(f"{address}{asset.pk}/{what}" for what in ("", "file", "thumbnail"))]
    assert {status(each) for each in addresses} == {200}

    end(ShareLink.objects.get(), asset)

    assert {status(each) for each in addresses} == {404}


def test_a_token_that_is_none_of_ours_leads_nowhere(sharer: Client, owner: User) -> None:
    asset = saved(owner)
    good = share(sharer, asset=str(asset.pk)).split("/")[2]
    for bad in ("x", "a.b", "0" * 32, "\0", "%00", "é" * 40, "x" * 5000):
        for token in (bad, bad + good, good + bad):
            assert status(f"/s/{token}/") == 404
    assert {status(f"/s/{token}/") for token in (good[:-1], good.upper(), good.split(".")[0])} == {404}


def test_views_are_counted_and_the_owner_can_end_a_link_and_undo_that(sharer: Client, owner: User) -> None:
    asset = saved(owner)
    address = share(sharer, asset=str(asset.pk))
    Client().get(address)
    Client().head(address)
    status(f"{address}{asset.pk}/thumbnail")
    assert "opened 1 time " in re.sub(r"\s+", " ", sharer.get("/sharing/").content.decode())

    link = ShareLink.objects.get()
    page = sharer.post(f"/sharing/{link.pk}/revoke", follow=True).content.decode()
    assert f'formaction="/sharing/{link.pk}/restore"' in page
    assert Client().get(address).status_code == 404
    sharer.post(f"/sharing/{link.pk}/restore")
    assert Client().get(address).status_code == 200
    sharer.post(f"/sharing/{link.pk}/revoke")
    ShareLink.objects.update(revoked_at=timezone.now() - timedelta(minutes=11))
    assert "too late" in sharer.post(f"/sharing/{link.pk}/restore", follow=True).content.decode()


def test_a_stranger_can_share_and_end_nothing_of_it(sharer: Client, owner: User) -> None:
    asset = saved(owner)
    group = collection_of(owner, asset)
    share(sharer, asset=str(asset.pk))
    link = ShareLink.objects.get()
    stranger = Client()
    stranger.force_login(factories.make_user("stranger"))

    for fields in ({"asset": str(asset.pk)}, {"collection": str(group.pk)}, {"asset": "x"}, {}):
        assert stranger.post("/sharing/new", {"days": "7"} | fields).status_code == 404
    for what in ("revoke", "restore"):
        assert stranger.post(f"/sharing/{link.pk}/{what}").status_code == 404
    assert str(link.pk) not in stranger.get("/sharing/").content.decode()
    assert ShareLink.objects.filter(revoked_at=None).count() == 1


def test_a_link_has_an_end(sharer: Client, owner: User) -> None:
    asset = saved(owner)
    for days in ("0", "8", "-1", "9" * 30, "", "x"):
        page = sharer.post("/sharing/new", {"asset": str(asset.pk), "days": days}, follow=True)
        assert "A link lasts" in page.content.decode()
    assert not ShareLink.objects.exists()


def test_an_ended_link_comes_back_only_where_there_is_room(
    sharer: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = saved(owner)
    monkeypatch.setattr(links, "MAX_OF_OWNER", 1)
    share(sharer, asset=str(asset.pk))
    first = ShareLink.objects.get()
    sharer.post(f"/sharing/{first.pk}/revoke")
    share(sharer, asset=str(asset.pk))
    page = sharer.post(f"/sharing/{first.pk}/restore", follow=True).content.decode()
    assert "You have 1 links, and that is the most." in page
    assert links.live_links(owner.pk).count() == 1
    first.refresh_from_db()
    assert first.revoked_at is not None


def test_links_that_ended_long_ago_are_deleted_by_the_chores(owner: User) -> None:
    asset, now = saved(owner), timezone.now()
    long_ago, lately = now - timedelta(days=91), now - timedelta(days=89)

    def link(expires_at: datetime, revoked_at: datetime | None = None) -> ShareLink:
        return ShareLink.objects.create(
            owner=owner, asset=asset, expires_at=expires_at, revoked_at=revoked_at
        )

    kept = [link(now), link(lately), link(now, lately), link(now + timedelta(days=1))]
    gone = [link(long_ago), link(now, long_ago), link(now + timedelta(days=1), long_ago)]
    call_command("maintain", "--once", verbosity=0)
    assert set(ShareLink.objects.all()) == set(kept)
    assert not ShareLink.objects.filter(pk__in=[each.pk for each in gone]).exists()
