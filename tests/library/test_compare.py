"""Two to four assets at an address of their own."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from generation.models import Asset
from tests import acting
from tests.factories import make_job, make_user
from tests.library.conftest import made


def address(*assets: Asset | str) -> str:
    named = (asset if isinstance(asset, str) else asset.pk for asset in assets)
    return "/library/compare?" + "&".join(f"asset={each}" for each in named)


def compared(html: str) -> list[str]:
    return re.findall(r'<(?:img|video) src="/media/\w+/([^/]+)/file"', html)


def test_they_stand_in_the_order_of_the_address_and_need_no_script(
    reader: Client, owner: User, django_assert_num_queries: Any
) -> None:
    first, second, third = made(owner, quantity=3)
    [film] = made(owner, job_type="video_fast")
    acting.discard(owner_id=owner.pk, assets=[third.pk])
    for assets in ([second, first], [third, film, first, second]):
        with django_assert_num_queries(3):  # session, user, assets
            html = reader.get(address(*assets)).content.decode()
        assert compared(html) == [str(asset.pk) for asset in assets]
    assert f'formaction="/library/restore?asset={third.pk}"' in html


def test_the_form_that_selects_leads_there(reader: Client, owner: User) -> None:
    assets = made(owner, quantity=3)
    answer = reader.post("/library/compare", {"asset": [asset.pk for asset in assets]})
    assert answer.headers["Location"] == address(*assets)
    assert 'formaction="/library/compare"' in reader.get("/library/").content.decode()


def test_other_numbers_are_refused_in_words(reader: Client, owner: User) -> None:
    assets = made(owner, quantity=6)
    for few_or_many in ([], assets[:1], assets[:5], [assets[0], assets[0]], [assets[0], "x\0"]):
        answer = reader.get(address(*few_or_many), follow=True)
        assert "Choose two to four to compare." in answer.content.decode()
        assert answer.redirect_chain == [("/library/", 302)]


def test_only_ones_own_and_only_what_exists(reader: Client, owner: User) -> None:
    [mine] = made(owner, quantity=1)
    [theirs] = made(make_user(), quantity=1)
    waiting = make_job(owner).slots[0]
    for other in (theirs, waiting, str(uuid.uuid4())):
        assert reader.get(address(mine, other)).status_code == 404
