"""The ⋯ menus: what is shown beside the button, and a page of its own without a script."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests import acting
from tests.factories import complete, make_job

FRAGMENT = {"X-Fragment": "1"}
KEY = re.compile(r"key=\w+")  # another in each menu


@pytest.mark.parametrize("media", ["%00", "sound", "9" * 200])
def test_an_address_of_no_medium_is_not_found(signed_in: Client, owner: User, media: str) -> None:
    """PostgreSQL's driver refuses a NUL: the pages answered 500."""
    [image] = complete(make_job(owner))
    for page in ("workspace/assets/{}/menu", "library/{}/", "media/{}/file", "media/{}/thumbnail"):
        assert signed_in.get("/" + page.format(f"{media}/{image.pk}")).status_code == 404
    for what in ("workspace/assets/{}/save", "library/{}/rate?rating=3"):
        assert signed_in.post("/" + what.format(f"{media}/{image.pk}")).status_code == 404


def test_a_jobs_menu_tells_of_it_and_acts_on_it(signed_in: Client, owner: User) -> None:
    job = make_job(owner, prompt="<b>a heron</b>", negative_prompt="fog", seed=0)
    url = f"/workspace/jobs/{job.pk}/menu"
    assert f'href="{url}" data-menu' in signed_in.get("/").content.decode()
    menu = signed_in.get(url, headers=FRAGMENT).content.decode()
    for told in (
        "&lt;b&gt;a heron&lt;/b&gt;",
        "fog",
        "SDXL fast",
        "1024 × 1024 (1:1)",
        "<dd>0</dd>",
        "General",
    ):
        assert told in menu
    assert f'href="/?from={job.pk}"' in menu
    assert f'formaction="/workspace/jobs/{job.pk}/cancel"' in menu
    assert "/clear" not in menu
    acting.cancel(owner_id=owner.pk, job_id=job.pk)
    menu = signed_in.get(url, headers=FRAGMENT).content.decode()
    assert "/cancel" not in menu
    assert f'formaction="/workspace/jobs/{job.pk}/clear"' in menu


@pytest.mark.parametrize("review", [False, True])
def test_a_results_menu_offers_what_can_be_done_with_it(signed_in: Client, owner: User, review: bool) -> None:
    (image,) = complete(make_job(owner, review=review, seed=7))
    url = f"/workspace/assets/image/{image.pk}/menu"
    assert f'href="{url}" data-menu' in signed_in.get("/").content.decode()
    menu = signed_in.get(url, headers=FRAGMENT).content.decode()
    assert (f"/workspace/assets/image/{image.pk}/save" in menu) is review
    assert (f'href="/library/image/{image.pk}/"' in menu) is not review
    for offered in (
        f"/media/image/{image.pk}/file?download=1",
        f"/?from={image.job_id}&amp;seed=7",
        f"/?image={image.pk}",
        f"/workspace/assets/image/{image.pk}/discard",
    ):
        assert offered in menu


def test_without_a_script_a_menu_is_a_page(signed_in: Client, owner: User) -> None:
    (video,) = complete(make_job(owner, "video_fast", prompt="waves"))
    for url in (f"/workspace/jobs/{video.job_id}/menu", f"/workspace/assets/video/{video.pk}/menu"):
        page, fragment = signed_in.get(url), signed_in.get(url, headers=FRAGMENT)
        html, menu = (KEY.sub("key=", answer.content.decode()) for answer in (page, fragment))
        assert menu.strip() in html
        assert '<form id="act"' in html
        assert '<h1 dir="auto">waves</h1>' in html
        assert "no-store" in page["Cache-Control"]


def test_what_has_no_card_has_no_menu(signed_in: Client, stranger: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    waiting = make_job(owner).slots[0]
    url = f"/workspace/assets/image/{image.pk}/menu"
    assert stranger.get(url).status_code == 404
    assert stranger.get(f"/workspace/jobs/{image.job_id}/menu").status_code == 404
    assert signed_in.get(f"/workspace/assets/video/{image.pk}/menu").status_code == 404
    assert signed_in.get(f"/workspace/assets/image/{waiting.pk}/menu").status_code == 404
    assert signed_in.get(url).status_code == 200
    acting.discard(owner_id=owner.pk, assets=[image.pk])
    assert signed_in.get(url).status_code == 404
