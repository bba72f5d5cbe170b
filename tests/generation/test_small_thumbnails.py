"""Small thumbnails and placeholders: made with the thumbnail, and by a chore for what is older."""

from __future__ import annotations

import io
import re

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image as Picture

from generation.maintenance import cleanup, stored_files
from generation.maintenance.small_thumbnails import make_small_thumbnails
from generation.media.measure import measure
from generation.models import Asset
from tests import acting, factories


@pytest.fixture
def old(owner: User) -> list[Asset]:
    """As an older version left them."""
    rows = factories.complete(factories.make_job(owner, quantity=3))
    for row in rows:
        default_storage.delete(row.small_thumbnail.name)
    Asset.objects.update(small_thumbnail=None, placeholder=None)
    return list(Asset.objects.order_by("-pk"))


def test_a_picture_has_two_thumbnails_and_the_colours_of_its_halves() -> None:
    picture = Picture.new("RGB", (1600, 900), "#ff0000")
    picture.paste("#0000ff", (0, 450, 1600, 900))
    out = io.BytesIO()
    picture.save(out, "PNG")

    measured = measure(out, media="image")

    assert measured.placeholder == "ff00000000ff"
    sizes = [Picture.open(io.BytesIO(each)).size for each in (measured.thumbnail, measured.small_thumbnail)]
    assert sizes == [(512, 288), (256, 144)]


def test_the_chore_makes_what_older_results_lack(owner: User, old: list[Asset]) -> None:
    """Pitfall 45: one that cannot be read stops nobody."""
    default_storage.delete(old[0].thumbnail.name)
    page = Client()
    page.force_login(owner)
    assert "srcset" not in page.get("/library/").content.decode()

    assert make_small_thumbnails() == 2
    assert make_small_thumbnails() == 0

    broken, *made = Asset.objects.order_by("-pk")
    assert (broken.placeholder, broken.small_thumbnail.name) == (None, None)
    html = page.get("/library/").content.decode()
    for asset in made:
        small = f"/media/image/{asset.pk}/thumbnail?small"
        assert f'srcset="{small} 256w, /media/image/{asset.pk}/thumbnail 512w"' in html
        answer = page.get(small)
        assert answer["Content-Type"] == "image/webp"
        with asset.small_thumbnail.open() as stored:
            assert answer.getvalue() == stored.read()
    assert len(re.findall(r"--tint:linear-gradient\(#[0-9a-f]{6},#[0-9a-f]{6}\)", html)) == 2


@pytest.mark.django_db(transaction=True)
def test_a_small_thumbnail_goes_with_its_asset(owner: User, settings: LazySettings) -> None:
    """Pitfall 10."""
    settings.TRASH_DAYS = 0
    [asset] = factories.complete(factories.make_job(owner, quantity=1))
    assert default_storage.exists(asset.small_thumbnail.name)
    assert list(stored_files.rows_without_file()) == []
    assert set(stored_files._named(str(asset.job_id))) == {
        asset.file.name,
        asset.thumbnail.name,
        asset.small_thumbnail.name,
    }
    acting.discard(owner_id=owner.pk, assets=[asset.pk])

    assert cleanup.purge_trash() == 1

    assert not default_storage.exists(asset.small_thumbnail.name)


def test_a_stranger_gets_no_small_thumbnail(owner: User) -> None:
    [asset] = factories.complete(factories.make_job(owner, quantity=1))
    page = Client()
    page.force_login(factories.make_user())

    assert page.get(f"/media/image/{asset.pk}/thumbnail?small").status_code == 404
